//! A server in QEMU.

use std::{
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};
use serde_json::{Value, json};

use super::{
    channel::{Answer, Channel},
    hardware::Nic,
    qmp,
};
use crate::{
    Host, process,
    process::Process,
    wait::{Stopwatch, wait_for},
};

/// Time limit of a boot, on an emulated processor of a busy machine.
const BOOT: Duration = Duration::from_secs(300);

/// Time limit of a script.
const SCRIPT: Duration = Duration::from_secs(120);

/// CPUs of a server.
pub const CPUS: u8 = 2;

/// Hardware and files of a server.
#[derive(Clone, Copy, Debug)]
pub struct Parts<'a> {
    /// Its name.
    pub name: &'a str,
    /// Folder with kernel, initramfs and disk of modules.
    pub boot: &'a Path,
    /// Image of its root file system, which is copied.
    pub root: &'a Path,
    /// The package, as a disk.
    pub package: &'a Path,
    /// Its NICs.
    pub nics: &'a [Nic],
}

/// A server that runs. Dropping it is the power plug.
#[derive(Debug)]
pub struct Server {
    name: String,
    release: String,
    directory: PathBuf,
    package: u64,
    channel: Channel,
    qemu: Process,
}

impl Server {
    /// Starts a server on a host that has its tap devices, without waiting for it to boot.
    ///
    /// # Errors
    /// If QEMU does not start.
    pub fn power_on(host: &Host, parts: &Parts<'_>) -> Result<Self> {
        let Parts { name, boot, root, package, nics } = *parts;
        let directory = host.lab().directory().join(name);
        fs::create_dir_all(&directory).with_context(|| format!("making {}", directory.display()))?;
        let disk = directory.join("root.img");
        if !disk.exists() {
            let (from, to) = (root.to_string_lossy(), disk.to_string_lossy());
            process::run(&["cp", "--sparse=always", "--reflink=auto", &from, &to])?;
        }
        let prefix = host.prefix();
        let options = options(&directory, boot, package, nics);
        let mut words: Vec<&str> = prefix.iter().map(String::as_str).collect();
        words.push("qemu-system-x86_64");
        words.extend(options.iter().map(String::as_str));
        let mut qemu = Process::start(&words, &directory.join("qemu.log"))?;
        let channel = Channel::open(&directory.join("control")).map_err(|trouble| {
            let end = if qemu.runs() { String::new() } else { format!("; QEMU has ended: {}", qemu.log()) };
            anyhow!("{name}: {trouble:#}{end}")
        })?;
        let release = fs::read_to_string(boot.join("release"))?;
        let package = fs::metadata(package).with_context(|| format!("reading {}", package.display()))?.len();
        Ok(Self { name: name.into(), release, directory, package, channel, qemu })
    }

    /// Waits until it has booted. Returns the seconds since the start of waiting.
    ///
    /// # Errors
    /// If it does not; the error has the end of its console.
    pub fn wait_booted(&mut self) -> Result<f32> {
        let watch = Stopwatch::start();
        // `degraded` is said with another code, and is good enough.
        let state = self.run_within("systemctl is-system-running --wait; true", BOOT);
        let state = state.with_context(|| format!("{} does not boot; its console:\n{}", self.name, self.console()))?;
        if !["running", "degraded"].contains(&state.text.trim()) {
            bail!("{} does not boot: {}; its console:\n{}", self.name, state.text, self.console());
        }
        Ok(watch.elapsed().as_secs_f32())
    }

    /// Returns the release of its kernel.
    pub fn release(&self) -> &str {
        &self.release
    }

    /// Returns the folder with its sockets and logs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Returns the end of its console's output.
    pub fn console(&self) -> String {
        let text = fs::read(self.directory.join("console.log")).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let lines: Vec<&str> = text.lines().rev().take(30).collect();
        lines.into_iter().rev().collect::<Vec<_>>().join("\n")
    }

    /// Runs a script, and accepts any result.
    ///
    /// # Errors
    /// If the server does not answer.
    pub fn attempt(&mut self, script: &str) -> Result<Answer> {
        self.run_within(script, SCRIPT)
    }

    /// Runs a script and returns its output.
    ///
    /// # Errors
    /// If it does not succeed; the error carries what it wrote.
    pub fn run(&mut self, script: &str) -> Result<String> {
        let answer = self.attempt(script)?;
        if !answer.is_ok() {
            bail!("{}: `{script}` ended with {}:\n{}", self.name, answer.code, answer.text);
        }
        Ok(answer.text)
    }

    fn run_within(&mut self, script: &str, limit: Duration) -> Result<Answer> {
        let answer = self.channel.run(script, limit);
        answer.with_context(|| format!("{}: running `{}`", self.name, script.lines().next().unwrap_or_default()))
    }

    /// Writes a file; `mode` is octal, like `755`.
    ///
    /// # Errors
    /// If it cannot be written.
    pub fn write(&mut self, path: &str, mode: &str, text: &str) -> Result<()> {
        let script = format!("cat >{path} <<'END OF FILE'\n{text}\nEND OF FILE\nchmod {mode} {path}");
        self.run(&script).map(drop)
    }

    /// Installs the package, or installs it again.
    ///
    /// # Errors
    /// If dpkg fails; the error carries what it wrote.
    pub fn install(&mut self) -> Result<String> {
        let script =
            format!("head -c {} /dev/vdc >/root/package.deb && dpkg --install /root/package.deb", self.package);
        self.run(&script)
    }

    /// Restarts it, and waits until it has booted.
    ///
    /// # Errors
    /// If it does not come back.
    pub fn reboot(&mut self) -> Result<()> {
        const BOOT_ID: &str = "cat /proc/sys/kernel/random/boot_id";
        let before = self.run(BOOT_ID)?;
        self.run("systemctl --no-block reboot")?;
        wait_for(&format!("{} to reboot", self.name), BOOT, || {
            let id = self.run_within(BOOT_ID, Duration::from_secs(10));
            id.is_ok_and(|id| id.is_ok() && id.text != before)
        })?;
        self.wait_booted().map(drop)
    }

    /// Plugs the cable of a NIC, by its number, or takes it out.
    ///
    /// # Errors
    /// If QEMU refuses.
    pub fn set_link(&self, nic: usize, up: bool) -> Result<()> {
        self.qmp("set_link", &json!({ "name": format!("d{nic}"), "up": up })).map(drop)
    }

    /// Stops its CPUs and its clock, as a live migration does.
    ///
    /// # Errors
    /// If QEMU refuses.
    pub fn pause(&self) -> Result<()> {
        self.qmp("stop", &json!({})).map(drop)
    }

    /// Lets it go on.
    ///
    /// # Errors
    /// If QEMU refuses.
    pub fn resume(&self) -> Result<()> {
        self.qmp("cont", &json!({})).map(drop)
    }

    fn qmp(&self, command: &str, arguments: &Value) -> Result<Value> {
        qmp::execute(&self.directory.join("qmp"), command, arguments).with_context(|| self.name.clone())
    }

    /// Leaves it running when this handle is dropped.
    pub fn leave(&mut self) {
        self.qemu.leave();
    }
}

/// Returns QEMU's options.
fn options(directory: &Path, boot: &Path, package: &Path, nics: &[Nic]) -> Vec<String> {
    let file = |name: &str| directory.join(name).display().to_string();
    let of_kernel = |name: &str| boot.join(name).display().to_string();
    let disk = |path: String, rest: &str| format!("file={path},if=virtio,format=raw,{rest}");
    let mut words = vec!["-machine", "q35,sata=off,smbus=off,usb=off", "-accel", "tcg,thread=multi,tb-size=256"];
    // The fewer devices and features there are, the fewer drivers are loaded.
    words.extend(["-cpu", "qemu64,svm=off", "-nodefaults", "-no-user-config", "-display", "none"]);
    let mut words: Vec<String> = words.into_iter().map(str::to_owned).collect();
    let mut option = |name: &str, value: String| words.extend([name.to_owned(), value]);
    option("-smp", CPUS.to_string());
    option("-m", "1G".into());
    // The console can be used with `socat - UNIX:PATH`.
    let console = format!("socket,id=con,path={},server=on,wait=off,logfile={}", file("console"), file("console.log"));
    option("-chardev", console);
    option("-serial", "chardev:con".into());
    option("-qmp", format!("unix:{},server=on,wait=off", file("qmp")));
    option("-kernel", of_kernel("vmlinuz"));
    option("-initrd", of_kernel("initramfs"));
    option("-append", "console=ttyS0 quiet net.ifnames=0 tsc=reliable panic=1".into());
    option("-drive", disk(file("root.img"), "cache=unsafe"));
    option("-drive", disk(of_kernel("modules.img"), "readonly=on"));
    option("-drive", disk(package.display().to_string(), "readonly=on"));
    option("-device", "virtio-rng-pci".into());
    option("-device", "virtio-serial-pci".into());
    option("-chardev", format!("socket,id=control,path={},server=on,wait=off", file("control")));
    option("-device", "virtserialport,chardev=control,name=control".into());
    for (number, nic) in nics.iter().enumerate() {
        words.extend(nic.options(number));
    }
    words
}
