//! What a file is, by its first bytes.

/// Bytes that tell nothing.
const UNKNOWN: &str = "application/octet-stream";

/// The content type that the first bytes of a file show, for its answer header and for people: what can be transcribed is
/// found out by reading it.
///
/// Containers that hold sound or pictures are told apart by what they say of their tracks, and, where that comes later in
/// the file, by the ending of `file_name`.
pub fn media_type(head: &[u8], file_name: Option<&str>) -> &'static str {
    let at = |offset: usize, magic: &[u8]| {
        head.get(offset..).is_some_and(|rest| rest.starts_with(magic))
    };
    if at(0, b"RIFF") || at(0, b"RF64") || at(0, b"BW64") {
        return if at(8, b"WAVE") { "audio/wav" } else { UNKNOWN };
    }
    if at(0, b"FORM") {
        return if at(8, b"AIFF") || at(8, b"AIFC") { "audio/aiff" } else { UNKNOWN };
    }
    if at(4, b"ftyp") {
        return mp4_type(&head[8..], file_name);
    }
    if at(0, b"\x1A\x45\xDF\xA3") {
        return matroska_type(head, file_name);
    }
    match head {
        [b'O', b'g', b'g', b'S', ..] => {
            if holds(head, b"\x80theora") {
                "video/ogg"
            } else {
                "audio/ogg"
            }
        }
        [b'f', b'L', b'a', b'C', ..] => "audio/flac",
        [b'c', b'a', b'f', b'f', ..] => "audio/x-caf",
        [b'I', b'D', b'3', ..] => "audio/mpeg",
        // Eleven bits of sync; layer 0 is ADTS, layers 1 to 3 are MPEG audio.
        [0xFF, second, ..] if second & 0xF6 == 0xF0 => "audio/aac",
        [0xFF, second, ..] if second & 0xE0 == 0xE0 && second & 0x06 != 0 => "audio/mpeg",
        _ => UNKNOWN,
    }
}

fn mp4_type(brands: &[u8], file_name: Option<&str>) -> &'static str {
    if brands.starts_with(b"qt  ") {
        "video/quicktime"
    } else if brands.starts_with(b"M4A") || brands.starts_with(b"M4B") || ends(file_name, ".m4a") {
        "audio/mp4"
    } else {
        "video/mp4"
    }
}

/// A track's codec is called `A_...` or `V_...`.
fn matroska_type(head: &[u8], file_name: Option<&str>) -> &'static str {
    let has_picture = holds(head, b"V_VP") || holds(head, b"V_AV1") || holds(head, b"V_MPEG");
    let has_sound = holds(head, b"A_OPUS") || holds(head, b"A_VORBIS");
    let is_sound =
        (has_sound && !has_picture) || ends(file_name, ".weba") || ends(file_name, ".mka");
    match (holds(head, b"webm"), is_sound) {
        (true, true) => "audio/webm",
        (true, false) => "video/webm",
        (false, true) => "audio/x-matroska",
        (false, false) => "video/x-matroska",
    }
}

fn holds(head: &[u8], needle: &[u8]) -> bool {
    head.windows(needle.len()).any(|window| window == needle)
}

fn ends(file_name: Option<&str>, ending: &str) -> bool {
    file_name.is_some_and(|name| name.to_ascii_lowercase().ends_with(ending))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_known_by_their_first_bytes() {
        let webm = b"\x1A\x45\xDF\xA3\x9fB\x86\x81\x01webm...A_OPUS";
        let film = b"\x1A\x45\xDF\xA3\x9fB\x86\x81\x01webm...V_VP9...A_OPUS";
        let cases: [(&[u8], &str); 13] = [
            (b"RIFF\x24\0\0\0WAVEfmt ", "audio/wav"),
            (b"RIFF\x24\0\0\0AVI ", UNKNOWN),
            (b"FORM\0\0\0\0AIFC", "audio/aiff"),
            (b"\0\0\0\x20ftypM4A \0\0", "audio/mp4"),
            (b"\0\0\0\x20ftypisom\0\0", "video/mp4"),
            (webm, "audio/webm"),
            (film, "video/webm"),
            (b"OggS\0\x02OpusHead", "audio/ogg"),
            (b"fLaC\0", "audio/flac"),
            (b"ID3\x04", "audio/mpeg"),
            (b"\xFF\xFB\x90", "audio/mpeg"),
            (b"\xFF\xF1\x50", "audio/aac"),
            (b"<html>", UNKNOWN),
        ];

        for (head, expected) in cases {
            assert_eq!(media_type(head, None), expected, "{head:?}");
        }
    }

    #[test]
    fn the_name_helps_where_the_bytes_do_not_tell() {
        assert_eq!(media_type(b"\0\0\0\x20ftypisom", Some("Talk.M4A")), "audio/mp4");
        assert_eq!(media_type(b"no media", Some("talk.mp3")), UNKNOWN);
    }

    #[test]
    fn few_bytes_are_no_trouble() {
        for length in 0..12 {
            media_type(&b"RIFF\0\0\0\0WAVE"[..length], None);
            media_type(&b"\0\0\0\x20ftypqt  "[..length], None);
        }
    }
}
