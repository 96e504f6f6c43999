//! Writer of the pcapng format, which Wireshark reads: an interface block for each interface, and the fate of each
//! packet as its comment.

use std::{borrow::Cow, io::Write};

use pcap_file::{
    DataLink, PcapResult,
    pcapng::{
        PcapNgBlock, PcapNgWriter,
        blocks::{
            enhanced_packet::{EnhancedPacketBlock, EnhancedPacketOption},
            interface_description::{InterfaceDescriptionBlock, InterfaceDescriptionOption},
            section_header::{SectionHeaderBlock, SectionHeaderOption},
        },
    },
};

use super::packet::Packet;
use crate::trace::names::Names;

/// `if_tsresol`: nanoseconds.
const NANOSECONDS: u8 = 9;
/// `epb_flags`: the direction of a packet.
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// Capture file that is being written.
pub struct CaptureFile<W: Write> {
    writer: PcapNgWriter<W>,
    /// Indices of interfaces in the order of their blocks.
    interfaces: Vec<u32>,
    snaplen: u32,
}

impl<W: Write> CaptureFile<W> {
    /// Begins the file.
    ///
    /// # Errors
    /// It can't be written.
    pub fn begin(to: W, snaplen: u32) -> PcapResult<Self> {
        let program = concat!("vtep-gateway ", env!("CARGO_PKG_VERSION"));
        let options = vec![SectionHeaderOption::UserApplication(Cow::Borrowed(program))];
        let section = SectionHeaderBlock { options, ..SectionHeaderBlock::default() };
        Ok(Self { writer: PcapNgWriter::with_section_header(to, section)?, interfaces: Vec::new(), snaplen })
    }

    /// Adds a packet.
    ///
    /// # Errors
    /// It can't be written.
    pub fn add(&mut self, packet: &Packet, names: &Names) -> PcapResult<()> {
        let interface_id = self.interface(packet.interface(), names)?;
        let way = if packet.leaves.is_some() { OUTBOUND } else { INBOUND };
        let block = EnhancedPacketBlock {
            interface_id,
            timestamp: packet.at,
            original_len: packet.len,
            data: Cow::Borrowed(&packet.bytes),
            options: vec![
                EnhancedPacketOption::Comment(packet.comment(names).into()),
                EnhancedPacketOption::Flags(way),
            ],
        };
        self.writer.write_block(&block.into_block()).map(drop)
    }

    fn interface(&mut self, ifindex: u32, names: &Names) -> PcapResult<u32> {
        let known = self.interfaces.iter().position(|known| *known == ifindex);
        if let Some(known) = known {
            return Ok(known as u32);
        }
        let block = InterfaceDescriptionBlock {
            linktype: DataLink::ETHERNET,
            snaplen: self.snaplen,
            options: vec![
                InterfaceDescriptionOption::IfName(names.interface(ifindex).into()),
                InterfaceDescriptionOption::IfTsResol(NANOSECONDS),
            ],
        };
        self.writer.write_block(&block.into_block())?;
        self.interfaces.push(ifindex);
        Ok(self.interfaces.len() as u32 - 1)
    }

    /// Flushes the buffer.
    ///
    /// # Errors
    /// It can't be written.
    pub fn flush(&mut self) -> std::io::Result<()> {
        self.writer.get_mut().flush()
    }
}
