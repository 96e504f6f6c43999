//! Reads packets from a file that tcpdump or Wireshark wrote, in either of the two formats.

use std::{
    fs::File,
    io::{self, BufReader, Read},
    path::{Path, PathBuf},
};

use pcap_file::{
    DataLink, PcapError,
    pcap::PcapReader,
    pcapng::{Block, PcapNgReader},
};

/// First bytes of a file of the newer format: the type of a section header block.
const SECTION_HEADER: [u8; 4] = [0x0a, 0x0d, 0x0d, 0x0a];

/// Error of reading packets.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// The file can't be read.
    #[error("{path}: {1}", path = .0.display())]
    Io(PathBuf, io::Error),
    /// The content of the file is invalid.
    #[error("{path} is no capture file, or damaged: {1}", path = .0.display())]
    Format(PathBuf, PcapError),
    /// The packets are not Ethernet.
    #[error("{path} has packets of link type {1:?}; only Ethernet can be traced", path = .0.display())]
    LinkType(PathBuf, DataLink),
}

/// Returns the first `most` packets of the file at `path`.
///
/// # Errors
/// The file can't be read, is no capture file, or is not of Ethernet.
pub fn packets(path: &Path, most: usize) -> Result<Vec<Vec<u8>>, FileError> {
    let io = |error| FileError::Io(path.to_owned(), error);
    let mut file = File::open(path).map_err(io)?;
    let mut start = Vec::new();
    file.by_ref().take(4).read_to_end(&mut start).map_err(io)?;
    let reader = BufReader::new(io::Cursor::new(start.clone()).chain(file));
    if start == SECTION_HEADER { newer(path, reader, most) } else { older(path, reader, most) }
}

fn older(path: &Path, reader: impl Read, most: usize) -> Result<Vec<Vec<u8>>, FileError> {
    let format = |error| FileError::Format(path.to_owned(), error);
    let mut reader = PcapReader::new(reader).map_err(format)?;
    ethernet(path, reader.header().datalink)?;
    let mut packets = Vec::new();
    while packets.len() < most
        && let Some(packet) = reader.next_packet()
    {
        packets.push(packet.map_err(format)?.data.into_owned());
    }
    Ok(packets)
}

fn newer(path: &Path, reader: impl Read, most: usize) -> Result<Vec<Vec<u8>>, FileError> {
    let format = |error| FileError::Format(path.to_owned(), error);
    let mut reader = PcapNgReader::new(reader).map_err(format)?;
    let mut packets = Vec::new();
    while packets.len() < most
        && let Some(block) = reader.next_block()
    {
        match block.map_err(format)? {
            Block::InterfaceDescription(interface) => ethernet(path, interface.linktype)?,
            Block::EnhancedPacket(packet) => packets.push(packet.data.into_owned()),
            Block::SimplePacket(packet) => packets.push(packet.data.into_owned()),
            _ => {}
        }
    }
    Ok(packets)
}

fn ethernet(path: &Path, link: DataLink) -> Result<(), FileError> {
    if link == DataLink::ETHERNET { Ok(()) } else { Err(FileError::LinkType(path.to_owned(), link)) }
}
