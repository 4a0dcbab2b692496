//! The facts that the MP4 demuxer leaves out: whether audio is encrypted, where the edit list starts, and
//! how long a file that was cut off was to be.
//!
//! Boxes after ISO/IEC 14496-12: `moov` > `trak` > `tkhd` (id), `edts` > `elst` (edits),
//! `mdia` > `mdhd` (time scale), `mdia` > `minf` > `stbl` > `stsd` (sample entries).

use std::io::{self, Read, Seek, SeekFrom};

use crate::bounds::BOXES_MAX;

/// Kinds of the first box of MP4 and QuickTime files.
const FIRST_BOXES: [&[u8; 4]; 5] = [b"ftyp", b"moov", b"wide", b"free", b"skip"];

/// Containers nested in each other, the track's being four deep.
const DEPTH_MAX: u32 = 8;

/// Files are not longer than this (2^48 bytes), whatever a box states.
const LENGTH_MAX: u64 = 1 << 48;

/// One track's facts.
#[derive(Debug, Default, Clone, PartialEq)]
pub(crate) struct Track {
    pub(crate) id: u32,
    pub(crate) encrypted: bool,
    /// Seconds that the edit list leaves out at the start: the encoder's delay.
    pub(crate) skipped: f64,
    time_scale: u32,
    edit_start: u64,
}

/// What is known of a file; the default where it is no MP4.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct Facts {
    pub(crate) tracks: Vec<Track>,
    /// Where the last box ends, if that is behind the end of the file.
    pub(crate) stated_length: Option<u64>,
}

/// Looks at the boxes of `file`. Leaves the position anywhere.
///
/// What contradicts itself is left to the demuxer to complain of.
pub(crate) fn facts(file: &mut (impl Read + Seek)) -> io::Result<Facts> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut walk = Walk { file, boxes_left: BOXES_MAX, facts: Facts::default() };
    let is_mp4 = walk.header(0, end)?.is_some_and(|first| FIRST_BOXES.contains(&&first.kind));
    if is_mp4 {
        walk.children(0, end, 0)?;
    }
    let mut facts = walk.facts;
    for track in &mut facts.tracks {
        if track.time_scale > 0 {
            track.skipped = track.edit_start as f64 / f64::from(track.time_scale);
        }
    }
    Ok(facts)
}

struct BoxHeader {
    kind: [u8; 4],
    body: u64,
    /// At most the limit.
    end: u64,
    stated_end: u64,
}

struct Walk<'a, F> {
    file: &'a mut F,
    boxes_left: u32,
    facts: Facts,
}

impl<F: Read + Seek> Walk<'_, F> {
    /// The box at `at`, which must end by `limit`.
    fn header(&mut self, at: u64, limit: u64) -> io::Result<Option<BoxHeader>> {
        let Some([a, b, c, d, kind @ ..]) = self.bytes::<8>(at, limit)? else { return Ok(None) };
        let (size, body) = match u32::from_be_bytes([a, b, c, d]) {
            // Up to the end of the file.
            0 => (limit.saturating_sub(at), at + 8),
            1 => match self.bytes::<8>(at + 8, limit)? {
                Some(size) => (u64::from_be_bytes(size), at + 16),
                None => return Ok(None),
            },
            size => (u64::from(size), at + 8),
        };
        let stated_end = at.saturating_add(size);
        let end = stated_end.min(limit);
        Ok((end >= body).then_some(BoxHeader { kind, body, end, stated_end }))
    }

    fn bytes<const N: usize>(&mut self, at: u64, limit: u64) -> io::Result<Option<[u8; N]>> {
        if limit.saturating_sub(at) < N as u64 {
            return Ok(None);
        }
        self.file.seek(SeekFrom::Start(at))?;
        let mut bytes = [0; N];
        self.file.read_exact(&mut bytes)?;
        Ok(Some(bytes))
    }

    /// Visits the boxes from `at` to `end`.
    fn children(&mut self, mut at: u64, end: u64, depth: u32) -> io::Result<()> {
        while at < end && depth < DEPTH_MAX && self.boxes_left > 0 {
            self.boxes_left -= 1;
            let Some(header) = self.header(at, end)? else { break };
            at = header.end;
            if depth == 0 && header.stated_end > header.end {
                self.facts.stated_length = Some(header.stated_end.min(LENGTH_MAX));
            }
            match &header.kind {
                b"moov" | b"edts" | b"mdia" | b"minf" | b"stbl" => {
                    self.children(header.body, header.end, depth + 1)?;
                }
                b"trak" => {
                    self.facts.tracks.push(Track::default());
                    self.children(header.body, header.end, depth + 1)?;
                }
                // Version and flags, and the number of entries, come before the entries.
                b"stsd" => self.children(header.body + 8, header.end, depth + 1)?,
                b"tkhd" | b"mdhd" => self.track_fact(&header)?,
                b"elst" => self.edit_list(&header)?,
                // Common encryption (ISO/IEC 23001-7) and the older scheme of one shop.
                b"enca" | b"drms" => {
                    if let Some(track) = self.facts.tracks.last_mut() {
                        track.encrypted = true;
                    }
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// `tkhd` holds the track's id, `mdhd` its time scale, both after two times of 4 or 8 bytes.
    fn track_fact(&mut self, header: &BoxHeader) -> io::Result<()> {
        let Some([version, ..]) = self.bytes::<4>(header.body, header.end)? else { return Ok(()) };
        let times = if version == 1 { 16 } else { 8 };
        let value = self.bytes::<4>(header.body + 4 + times, header.end)?;
        if let (Some(value), Some(track)) = (value, self.facts.tracks.last_mut()) {
            let value = u32::from_be_bytes(value);
            if &header.kind == b"tkhd" {
                track.id = value;
            } else {
                track.time_scale = value;
            }
        }
        Ok(())
    }

    /// Takes the start of the first edit that shows media; edits before it are pauses, which players skip.
    fn edit_list(&mut self, header: &BoxHeader) -> io::Result<()> {
        /// More leading pauses than any writer makes.
        const EDITS_MAX: u64 = 16;

        let Some([version, ..]) = self.bytes::<8>(header.body, header.end)? else { return Ok(()) };
        for edit in 0..EDITS_MAX {
            let start = if version == 1 {
                let at = header.body + 8 + edit * 20 + 8;
                self.bytes::<8>(at, header.end)?.map(i64::from_be_bytes)
            } else {
                let at = header.body + 8 + edit * 12 + 4;
                self.bytes::<4>(at, header.end)?.map(|bytes| i64::from(i32::from_be_bytes(bytes)))
            };
            let Some(start) = start else { break };
            if let (Ok(start), Some(track)) = (u64::try_from(start), self.facts.tracks.last_mut()) {
                track.edit_start = start;
                break;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use std::io::Cursor;

    use super::*;

    fn boxed(kind: &[u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).expect("small");
        [&size.to_be_bytes(), &kind[..], body].concat()
    }

    fn movie(entry: &[u8; 4]) -> Vec<u8> {
        let tkhd = boxed(b"tkhd", &[&[0; 12][..], &7_u32.to_be_bytes()].concat());
        let pause = [&[0; 4][..], &(-1_i32).to_be_bytes(), &[0; 4]].concat();
        let edit = [&[0; 4][..], &1024_i32.to_be_bytes(), &[0; 4]].concat();
        let elst = boxed(b"elst", &[&[0, 0, 0, 0, 0, 0, 0, 2][..], &pause, &edit].concat());
        let mdhd = boxed(b"mdhd", &[&[0; 12][..], &16_000_u32.to_be_bytes()].concat());
        let stsd = boxed(b"stsd", &[&[0; 8][..], &boxed(entry, &[0; 28])].concat());
        let minf = boxed(b"minf", &boxed(b"stbl", &stsd));
        let mdia = boxed(b"mdia", &[mdhd, minf].concat());
        let trak = boxed(b"trak", &[tkhd, boxed(b"edts", &elst), mdia].concat());
        [boxed(b"ftyp", b"isom"), boxed(b"moov", &trak)].concat()
    }

    #[test]
    fn the_encoder_delay_and_the_encryption_are_found() {
        let plain = facts(&mut Cursor::new(movie(b"mp4a"))).unwrap().tracks;
        let locked = facts(&mut Cursor::new(movie(b"enca"))).unwrap().tracks;

        assert_eq!((plain[0].id, plain[0].encrypted, plain[0].skipped), (7, false, 0.064));
        assert!(locked[0].encrypted);
    }

    #[test]
    fn any_cut_of_the_file_is_read_as_far_as_it_goes() {
        let whole = movie(b"enca");
        let file_type = 12;
        for length in file_type + 8..whole.len() {
            let facts = facts(&mut Cursor::new(&whole[..length])).unwrap();
            assert!(facts.tracks.len() <= 1);
            assert_eq!(facts.stated_length, Some(whole.len() as u64), "{length}");
        }
        assert_eq!(facts(&mut Cursor::new(&whole)).unwrap().stated_length, None);
    }
}
