//! `capture`: packets that the gateway drops or forwards.

use std::{
    fs::File,
    io::{self, BufWriter, IsTerminal, StdoutLock, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Args;
use gateway_base::suggest;
use gateway_common::{
    capture::{CAPTURE_BYTES, Filter},
    counters::DropReason,
    net::{MacAddr, Vni},
    step,
};
use gateway_datapath::{
    capture::{
        file::CaptureFile,
        packet::Packet,
        session::{self, SessionError, Sink, Wanted},
    },
    load::Objects,
    trace::names::Names,
};
use nix::net::if_::if_nametoindex;
use pcap_file::PcapError;

use super::{
    output::{BAD_INPUT, fail},
    target::{Gateway, Target},
    values::{reasons, vni},
};
use crate::options::AgentOption;

/// `capture`.
#[derive(Args, Clone, Debug, PartialEq, Eq)]
pub struct CaptureOptions {
    /// Packets that are dropped, for these reasons or for any. Neither this nor --forwarded: both.
    #[arg(long, value_name = "REASON,...", num_args = 0..=1, value_parser = reasons)]
    pub dropped: Option<Option<u32>>,
    /// Packets that leave, as they leave.
    #[arg(long)]
    pub forwarded: bool,
    /// Only those that come in or leave by this uplink or access port.
    #[arg(long, value_name = "PORT")]
    pub port: Option<String>,
    /// Only those of the logical switch with this VNI.
    #[arg(long, value_name = "VNI", value_parser = vni)]
    pub vni: Option<Vni>,
    /// Only those from or to this station.
    #[arg(long, value_name = "MAC")]
    pub mac: Option<MacAddr>,
    /// Of those, one in so many.
    #[arg(long, value_name = "NUMBER", default_value = "1", value_parser = clap::value_parser!(u32).range(1..))]
    pub sample: u32,
    /// Of those, so many in a second at most.
    #[arg(long, value_name = "NUMBER", default_value = "1000", value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub rate: u32,
    /// Of each, so many bytes at most.
    #[arg(long, value_name = "BYTES", default_value = "1600",
        value_parser = clap::value_parser!(u32).range(14..=CAPTURE_BYTES as i64))]
    pub snaplen: u32,
    /// End after so many packets.
    #[arg(long, value_name = "NUMBER", value_parser = clap::value_parser!(u64).range(1..))]
    pub count: Option<u64>,
    /// Write them to a pcapng file, - for standard output; without it each is shown on a line.
    #[arg(long, value_name = "FILE")]
    pub write: Option<PathBuf>,
    /// Of which agent.
    #[command(flatten)]
    pub agent: AgentOption,
}

/// Mask with a bit for each drop reason.
const ALL_REASONS: u32 = u32::MAX >> (32 - DropReason::ALL.len());

/// Reasons for which there is no capture.
#[derive(Debug, thiserror::Error)]
enum CaptureError {
    #[error("--write -: standard output is a terminal; redirect it, or leave --write out for a line per packet")]
    Terminal,
    #[error("--port {name}: that is neither an uplink nor an access port of {source_of}{meant}")]
    NoPort { name: String, source_of: String, meant: String },
    #[error("--port {0}: there is no such interface here now")]
    NoInterface(String),
    #[error("cannot write to {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}

/// Executes the verb.
pub(crate) fn carry_out(options: &CaptureOptions, target: &Target, objects: Objects) -> ExitCode {
    let to_stdout = options.write.as_deref() == Some(Path::new("-"));
    if to_stdout && io::stdout().is_terminal() {
        return fail(BAD_INPUT, &CaptureError::Terminal);
    }
    let gateway = match Gateway::find(target) {
        Ok(gateway) => gateway,
        Err(error) => return fail(BAD_INPUT, &error),
    };
    let filter = match filter(options, &gateway) {
        Ok(filter) => filter,
        Err(error) => return fail(BAD_INPUT, &error),
    };
    let names = Names::of([]).unwrap_or_default();
    let port = gateway.udp_port;
    let output = match &options.write {
        None => Ok(Output::Lines(io::stdout().lock(), port)),
        Some(_) if to_stdout => CaptureFile::begin(boxed(io::stdout().lock()), options.snaplen).map(Output::File),
        Some(path) => File::create(path)
            .map_err(PcapError::IoError)
            .and_then(|file| CaptureFile::begin(boxed(file), options.snaplen).map(Output::File)),
    };
    let output = match output {
        Ok(output) => output,
        Err(error) => {
            let path = options.write.clone().unwrap_or_else(|| "-".into());
            return fail(1, &CaptureError::Write { path, source: io_error(error) });
        }
    };
    let mut output = Named { output, names };
    let wanted = Wanted { filter, count: options.count };
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return fail(1, &error),
    };
    let ready = || eprintln!("capturing; end with Ctrl-C");
    let done = runtime.block_on(session::capture(
        &gateway.pins,
        gateway.settings,
        objects,
        &target.socket,
        wanted,
        &mut output,
        ready,
    ));
    // Keep the captured packets, whatever ended the capture.
    let flushed = output.flush();
    match (done, flushed) {
        (Ok(summary), flushed) => {
            let rate = options.rate;
            eprintln!(
                "{} packets captured, {} left out by sampling, {} beyond {rate} a second, {} lost",
                summary.captured, summary.sampled_out, summary.over_rate, summary.lost
            );
            match flushed {
                Err(error) if error.kind() != io::ErrorKind::BrokenPipe => fail(1, &SessionError::Write(error)),
                _ => ExitCode::SUCCESS,
            }
        }
        (Err(SessionError::Agent(error)), _) => fail(error.exit_code(), &error),
        (Err(error), _) => fail(1, &error),
    }
}

fn filter(options: &CaptureOptions, gateway: &Gateway) -> Result<Filter, CaptureError> {
    let ifindex = match &options.port {
        None => 0,
        Some(name) => {
            let all = || gateway.uplinks.iter().chain(&gateway.ports);
            if !all().any(|interface| interface == name) {
                let meant = suggest::question(name, all().map(String::as_str));
                return Err(CaptureError::NoPort { name: name.clone(), source_of: gateway.source.clone(), meant });
            }
            if_nametoindex(name.as_str()).map_err(|_| CaptureError::NoInterface(name.clone()))?
        }
    };
    let both = options.dropped.is_none() && !options.forwarded;
    let reasons = match options.dropped {
        Some(reasons) => reasons.unwrap_or(ALL_REASONS),
        None if both => ALL_REASONS,
        None => 0,
    };
    Ok(Filter {
        until: 0,
        mac: options.mac.map_or(0, |mac| step::mac(mac.0)),
        reasons,
        forwarded: (both || options.forwarded).into(),
        ifindex,
        vni: options.vni.map_or(0, Vni::get),
        sample: options.sample,
        rate: options.rate,
        snaplen: options.snaplen,
        reserved: 0,
    })
}

type Boxed<'a> = BufWriter<Box<dyn Write + 'a>>;

fn boxed<'a>(writer: impl Write + 'a) -> Boxed<'a> {
    BufWriter::new(Box::new(writer))
}

enum Output<'a> {
    Lines(StdoutLock<'a>, u16),
    File(CaptureFile<Boxed<'a>>),
}

struct Named<'a> {
    output: Output<'a>,
    names: Names,
}

impl Sink for Named<'_> {
    fn packet(&mut self, packet: &Packet) -> io::Result<()> {
        match &mut self.output {
            Output::Lines(out, port) => writeln!(out, "{}", packet.line(&self.names, *port)),
            Output::File(file) => file.add(packet, &self.names).map_err(io_error),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.output {
            Output::Lines(out, _) => out.flush(),
            Output::File(file) => file.flush(),
        }
    }
}

fn io_error(error: PcapError) -> io::Error {
    match error {
        PcapError::IoError(error) => error,
        other => io::Error::other(other),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_are_named() {
        assert_eq!(reasons("outer_malformed,unknown_vni"), Ok(1 | 1 << DropReason::UnknownVni as u32));
        assert!(reasons("unknown").unwrap_err().to_string().contains("unknown_vtep"));
        assert_eq!(ALL_REASONS.count_ones() as usize, DropReason::ALL.len());
    }
}
