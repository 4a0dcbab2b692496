//! The fact that the Matroska demuxer leaves out: how much of the last packet is padding of the encoder's.
//!
//! Elements after RFC 9559: `Segment` > `Cluster` > `BlockGroup` > `DiscardPadding`. Live recordings have clusters of
//! unknown size, which end where an element stands that cannot be within a cluster.

use std::io::{self, Read, Seek, SeekFrom};

use crate::bounds::ELEMENTS_MAX;

const EBML: u32 = 0x1A45_DFA3;
const SEGMENT: u32 = 0x1853_8067;
const CLUSTER: u32 = 0x1F43_B675;
const SIMPLE_BLOCK: u32 = 0xA3;
const BLOCK_GROUP: u32 = 0xA0;
const BLOCK: u32 = 0xA1;
const DISCARD_PADDING: u32 = 0x75A2;

/// Element ids of this many bytes stand beside clusters, shorter ones within them.
const LEVEL_ONE_ID_MIN: u32 = 0x1000_0000;
/// No codec pads its last packet by more than this many seconds.
const PADDING_MAX: f64 = 0.5;

/// The padding at the end of a track.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Padding {
    pub(crate) track: u64,
    pub(crate) seconds: f64,
}

/// The padding of the last block of `file`; `None` where there is none, or where this is no Matroska file.
pub(crate) fn padding(file: &mut (impl Read + Seek)) -> io::Result<Option<Padding>> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut walk = Walk { file, elements_left: ELEMENTS_MAX, last: None };
    let Some(first) = walk.element(0, end)?.filter(|first| first.id == EBML) else {
        return Ok(None);
    };
    let Some(segment) = walk.element(first.end, end)?.filter(|next| next.id == SEGMENT) else {
        return Ok(None);
    };
    walk.segment(segment.body, segment.end)?;
    Ok(walk.last.filter(|padding| padding.seconds > 0.0 && padding.seconds <= PADDING_MAX))
}

struct Element {
    id: u32,
    body: u64,
    /// Where it ends; where what holds it ends, if its size is unknown.
    end: u64,
    is_sized: bool,
}

struct Walk<'f, F> {
    file: &'f mut F,
    elements_left: u32,
    /// The padding of the last block so far; 0 s where it has none.
    last: Option<Padding>,
}

impl<F: Read + Seek> Walk<'_, F> {
    fn segment(&mut self, mut at: u64, end: u64) -> io::Result<()> {
        let mut last_cluster = None;
        while let Some(element) = self.element(at, end)? {
            at = element.end;
            if element.id == CLUSTER && element.is_sized {
                last_cluster = Some(element);
            } else if element.id == CLUSTER {
                at = self.cluster(element.body, end)?;
                last_cluster = None;
            }
        }
        if let Some(cluster) = last_cluster {
            self.cluster(cluster.body, cluster.end)?;
        }
        Ok(())
    }

    /// Returns where the cluster ends.
    fn cluster(&mut self, mut at: u64, end: u64) -> io::Result<u64> {
        while let Some(element) = self.element(at, end)? {
            if element.id >= LEVEL_ONE_ID_MIN {
                return Ok(at);
            }
            at = element.end;
            match element.id {
                SIMPLE_BLOCK => self.block(element.body, element.end)?,
                BLOCK_GROUP => self.group(element.body, element.end)?,
                _ => {}
            }
        }
        Ok(end)
    }

    fn group(&mut self, mut at: u64, end: u64) -> io::Result<()> {
        let mut seconds = 0.0;
        while let Some(element) = self.element(at, end)? {
            at = element.end;
            match element.id {
                BLOCK => self.block(element.body, element.end)?,
                DISCARD_PADDING => seconds = self.integer(element.body, element.end)? as f64 * 1e-9,
                _ => {}
            }
        }
        if let Some(last) = &mut self.last {
            last.seconds = seconds;
        }
        Ok(())
    }

    fn block(&mut self, body: u64, end: u64) -> io::Result<()> {
        let head = self.bytes(body, end)?;
        self.last = variable(head).map(|(track, _)| Padding { track, seconds: 0.0 });
        Ok(())
    }

    /// A signed integer; here what is negative, padding at the start of the block, counts as none.
    fn integer(&mut self, body: u64, end: u64) -> io::Result<u64> {
        let length = end.saturating_sub(body).min(8) as usize;
        let bytes = self.bytes(body, end)?;
        let value = bytes[..length].iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
        Ok(if bytes[0] < 0x80 { value } else { 0 })
    }

    /// The element at `at`; none at the end, in what is no element, and when too many were looked at.
    fn element(&mut self, at: u64, end: u64) -> io::Result<Option<Element>> {
        if at >= end || self.elements_left == 0 {
            return Ok(None);
        }
        self.elements_left -= 1;
        let head = self.bytes(at, end)?;
        let id_length = head[0].leading_zeros() as usize + 1;
        if id_length > 4 {
            return Ok(None);
        }
        let id = head[..id_length].iter().fold(0, |id, byte| id << 8 | u32::from(*byte));
        let mut rest = [0; HEAD];
        rest[..HEAD - id_length].copy_from_slice(&head[id_length..]);
        let Some((size, size_length)) = variable(rest) else { return Ok(None) };
        let body = at + (id_length + size_length) as u64;
        let is_sized = size != (1 << (7 * size_length)) - 1;
        let stated = body.checked_add(size).filter(|_| is_sized);
        Ok(Some(Element { id, body, end: stated.unwrap_or(end).min(end), is_sized }))
    }

    /// The first bytes from `at`, zeros after `end`.
    fn bytes(&mut self, at: u64, end: u64) -> io::Result<[u8; HEAD]> {
        let mut bytes = [0; HEAD];
        let length = end.saturating_sub(at).min(HEAD as u64) as usize;
        self.file.seek(SeekFrom::Start(at))?;
        self.file.read_exact(&mut bytes[..length])?;
        Ok(bytes)
    }
}

/// The longest id and the longest size.
const HEAD: usize = 12;

/// A number whose leading zeros say how many bytes it takes, and that count.
fn variable(bytes: [u8; HEAD]) -> Option<(u64, usize)> {
    let length = bytes[0].leading_zeros() as usize + 1;
    if length > 8 {
        return None;
    }
    let all = bytes[..length].iter().fold(0, |value, byte| value << 8 | u64::from(*byte));
    Some((all & ((1 << (7 * length)) - 1), length))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::{BufReader, Cursor};

    use super::*;

    fn of_fixture(name: &str) -> Option<Padding> {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/formats/");
        padding(&mut BufReader::new(File::open(format!("{path}{name}")).unwrap())).unwrap()
    }

    #[test]
    fn the_last_block_says_how_much_of_it_is_padding() {
        // 207 of its 960 samples at 48 kHz.
        let expected = Some(Padding { track: 1, seconds: 0.004_312_500 });
        assert_eq!(of_fixture("call.webm"), expected);
    }

    #[test]
    fn clusters_of_unknown_size_are_followed_to_their_end() {
        assert!(of_fixture("en-00.browser.webm").is_some());
        assert_eq!(of_fixture("en-00.browser-cut.webm"), None);
    }

    #[test]
    fn other_files_have_none() {
        assert_eq!(of_fixture("en-00.aac.m4a"), None);
        assert_eq!(padding(&mut Cursor::new(b"")).unwrap(), None);
    }
}
