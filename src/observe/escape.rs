//! Bytes that a stranger chose, made safe for a line of a log.

/// What a byte is to a JSON string: nothing special, to be escaped, or the begin of more than ASCII.
const PLAIN: u8 = 0;
const ESCAPE: u8 = 1;
const WIDE: u8 = 2;

const JSON: [u8; 256] = {
    let mut table = [PLAIN; 256];
    let mut byte = 0;
    while byte < 256 {
        if byte < 0x20 || byte == b'"' as usize || byte == b'\\' as usize || byte == 0x7f {
            table[byte] = ESCAPE;
        } else if byte >= 0x80 {
            table[byte] = WIDE;
        }
        byte += 1;
    }
    table
};

const HEX: &[u8; 16] = b"0123456789abcdef";

/// Appends what stands between the quotes of a JSON string. Whatever is not UTF-8 becomes U+FFFD.
pub(super) fn json(text: &[u8], out: &mut Vec<u8>) {
    let mut seen = 0_u8;
    text.iter().for_each(|byte| seen |= JSON[*byte as usize]);
    if seen == PLAIN {
        out.extend_from_slice(text);
        return;
    }
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            json_char(c, out);
        }
        if !chunk.invalid().is_empty() {
            out.extend_from_slice(b"\\ufffd");
        }
    }
}

fn json_char(c: char, out: &mut Vec<u8>) {
    match c {
        '"' => out.extend_from_slice(b"\\\""),
        '\\' => out.extend_from_slice(b"\\\\"),
        '\n' => out.extend_from_slice(b"\\n"),
        '\r' => out.extend_from_slice(b"\\r"),
        '\t' => out.extend_from_slice(b"\\t"),
        // All of them, DEL and C1 included: a log is also read on terminals.
        c if c.is_control() => {
            let byte = c as u32 as u8;
            out.extend_from_slice(b"\\u00");
            out.extend_from_slice(&[HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]);
        }
        c => out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
    }
}

/// Appends what stands between the quotes of Apache's formats: quotes and backslashes with a backslash, everything
/// that is not printable ASCII as `\xhh`.
pub(super) fn apache(text: &[u8], out: &mut Vec<u8>) {
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            0x20..=0x7e => out.push(*byte),
            _ => out.extend_from_slice(&[b'\\', b'x', HEX[usize::from(byte >> 4)], HEX[usize::from(byte & 15)]]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn json_reads_back(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut out = vec![b'"'];
            json(&text, &mut out);
            out.push(b'"');
            let read: String = serde_json::from_slice(&out).unwrap();
            prop_assert_eq!(read, String::from_utf8_lossy(&text));
            prop_assert!(std::str::from_utf8(&out).unwrap().chars().all(|c| !c.is_control()));
        }

        #[test]
        fn apache_stays_inside_its_quotes(text in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut out = Vec::new();
            apache(&text, &mut out);
            prop_assert!(out.iter().all(|byte| (0x20..0x7f).contains(byte)));
            let (mut at, mut back) = (0, Vec::new());
            while at < out.len() {
                match (out[at], out.get(at + 1)) {
                    (b'"', _) => prop_assert!(false, "a bare quote"),
                    (b'\\', Some(b'x')) => {
                        let hex = std::str::from_utf8(&out[at + 2..at + 4]).unwrap();
                        back.push(u8::from_str_radix(hex, 16).unwrap());
                        at += 4;
                    }
                    (b'\\', Some(next)) => {
                        back.push(*next);
                        at += 2;
                    }
                    (byte, _) => {
                        back.push(byte);
                        at += 1;
                    }
                }
            }
            prop_assert_eq!(back, text);
        }
    }
}
