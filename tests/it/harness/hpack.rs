//! HPACK (RFC 7541), small and apart from the code under test: writes fields in any form, reads what a proxy sends.

/// Names and values of the static table, from index 1 on (appendix A).
const STATIC: &str = ":authority :method=GET :method=POST :path=/ :path=/index.html :scheme=http :scheme=https :status=200 \
    :status=204 :status=206 :status=304 :status=400 :status=404 :status=500 accept-charset \
    accept-encoding=gzip,~deflate accept-language accept-ranges accept access-control-allow-origin age allow \
    authorization cache-control content-disposition content-encoding content-language content-length content-location \
    content-range content-type cookie date etag expect expires from host if-match if-modified-since if-none-match \
    if-range if-unmodified-since last-modified link location max-forwards proxy-authenticate proxy-authorization range \
    referer refresh retry-after server set-cookie strict-transport-security transfer-encoding user-agent vary via \
    www-authenticate";

/// How many bits each byte's code has, from 5 (`A`) to 30 (`Z`), the end's included (appendix B). The code is canonical,
/// so that this is all there is to say.
const CODE_BITS: &[u8; 257] = b"ISXXXXXXXTZXXZXXXXXXXXZXXXXXXXXXBFFHIBDGFFDGDBBBAAABBBBBBBCDKBHFIBCCCCCCCCCCCCCCCCCCCC\
    CCDCDIOIJBKABABABBBACCBBBABCBAABCCCCCKGJIXPRPPRRRSRSSSSSTSTTRSTSSSSQRSRSSTRQPRRSSQSRRTQRSSQQRQSRSSPRRRSRRSVVPORSRUVVV\
    WWVTUOQVWWVWTQQVVXWWWPTPQRQQSRRUUTTVSVWVVWWWWWXWWWWWVZ";

/// What one side of a connection remembers of the fields it was sent.
pub struct Decoder {
    entries: Vec<(String, String)>,
    bytes_max: usize,
    /// Every code: bits, how many, byte; shortest first.
    codes: Vec<(u32, u32, u16)>,
}

/// A field as a literal that neither side remembers, name and value as they are.
pub fn literal(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0x00][..], &text(name), &text(value)].concat()
}

/// A field that both sides remember from now on.
pub fn remembered(name: &[u8], value: &[u8]) -> Vec<u8> {
    [&[0x40][..], &text(name), &text(value)].concat()
}

/// A field of a table.
pub fn indexed(index: usize) -> Vec<u8> {
    integer(0x80, 7, index)
}

/// What resizes the table.
pub fn resize(bytes: usize) -> Vec<u8> {
    integer(0x20, 5, bytes)
}

/// Fields as literals.
pub fn block<N: AsRef<[u8]>, V: AsRef<[u8]>>(fields: &[(N, V)]) -> Vec<u8> {
    fields.iter().flat_map(|(name, value)| literal(name.as_ref(), value.as_ref())).collect()
}

/// A string without Huffman's code.
pub fn text(bytes: &[u8]) -> Vec<u8> {
    [integer(0, 7, bytes.len()), bytes.to_vec()].concat()
}

/// A number behind the high bits of its first byte.
pub fn integer(high: u8, bits: u32, value: usize) -> Vec<u8> {
    let most = (1 << bits) - 1;
    if value < most {
        return vec![high | value as u8];
    }
    let mut out = vec![high | most as u8];
    let mut rest = value - most;
    while rest >= 128 {
        out.push((rest % 128) as u8 | 0x80);
        rest /= 128;
    }
    out.push(rest as u8);
    out
}

// === impl Decoder ===

impl Decoder {
    pub fn new() -> Decoder {
        let mut symbols: Vec<(u32, u16)> =
            CODE_BITS.iter().zip(0..).map(|(bits, symbol)| (u32::from(bits - b'A') + 5, symbol)).collect();
        symbols.sort_unstable();
        let (mut code, mut length) = (0u32, 0);
        let mut codes = Vec::new();
        for (bits, symbol) in symbols {
            code <<= bits - length;
            length = bits;
            codes.push((code, bits, symbol));
            code += 1;
        }
        Decoder { entries: Vec::new(), bytes_max: 4096, codes }
    }

    /// Reads a header block.
    pub fn read(&mut self, mut block: &[u8]) -> Result<Vec<(String, String)>, String> {
        let mut fields = Vec::new();
        while let Some(first) = block.first().copied() {
            if first & 0x80 != 0 {
                let index = number(&mut block, 7)?;
                fields.push(self.entry(index)?);
            } else if first & 0x40 != 0 {
                let field = self.literal(&mut block, 6)?;
                fields.push(field.clone());
                self.entries.insert(0, field);
                self.evict();
            } else if first & 0x20 != 0 {
                self.bytes_max = number(&mut block, 5)?;
                self.evict();
            } else {
                fields.push(self.literal(&mut block, 4)?);
            }
        }
        Ok(fields)
    }

    fn literal(&self, block: &mut &[u8], bits: u32) -> Result<(String, String), String> {
        let index = number(block, bits)?;
        let name = if index == 0 { self.string(block)? } else { self.entry(index)?.0 };
        Ok((name, self.string(block)?))
    }

    fn entry(&self, index: usize) -> Result<(String, String), String> {
        let fixed: Vec<&str> = STATIC.split(' ').filter(|word| !word.is_empty()).collect();
        assert_eq!(fixed.len(), 61);
        if index == 0 {
            return Err("index 0".to_owned());
        }
        if let Some(word) = fixed.get(index - 1) {
            let (name, value) = word.split_once('=').unwrap_or((word, ""));
            return Ok((name.to_owned(), value.replace('~', " ")));
        }
        self.entries.get(index - 62).cloned().ok_or_else(|| format!("index {index} is beyond the table"))
    }

    fn evict(&mut self) {
        let size = |entries: &[(String, String)]| entries.iter().map(|(n, v)| n.len() + v.len() + 32).sum::<usize>();
        while size(&self.entries) > self.bytes_max {
            self.entries.pop();
        }
    }

    fn string(&self, block: &mut &[u8]) -> Result<String, String> {
        let coded = block.first().is_some_and(|first| first & 0x80 != 0);
        let len = number(block, 7)?;
        let (bytes, rest) = block.split_at_checked(len).ok_or("a string beyond its block")?;
        *block = rest;
        let bytes = if coded { self.uncode(bytes)? } else { bytes.to_vec() };
        Ok(bytes.into_iter().map(char::from).collect())
    }

    fn uncode(&self, bytes: &[u8]) -> Result<Vec<u8>, String> {
        let mut out = Vec::new();
        let (mut code, mut bits) = (0u32, 0);
        for bit in bytes.iter().flat_map(|byte| (0..8).rev().map(move |at| byte >> at & 1)) {
            (code, bits) = (code << 1 | u32::from(bit), bits + 1);
            if let Some((_, _, symbol)) = self.codes.iter().find(|(c, b, _)| (*c, *b) == (code, bits)) {
                out.push(u8::try_from(*symbol).map_err(|_| "the end inside a string")?);
                (code, bits) = (0, 0);
            }
        }
        if bits > 7 || code != (1 << bits) - 1 { Err("a string with bad padding".to_owned()) } else { Ok(out) }
    }
}

fn number(block: &mut &[u8], bits: u32) -> Result<usize, String> {
    let mut take = || {
        let (first, rest) = block.split_first().ok_or("a number beyond its block")?;
        *block = rest;
        Ok::<usize, String>(usize::from(*first))
    };
    let most = (1 << bits) - 1;
    let mut value = take()? & most;
    if value < most {
        return Ok(value);
    }
    for shift in (0..28).step_by(7) {
        let byte = take()?;
        value += (byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            return Ok(value);
        }
    }
    Err("a number too long".to_owned())
}

#[test]
fn the_examples_of_the_rfc_are_read() {
    // RFC 7541 appendix C.4.1 and C.6.1
    let first = b"\x82\x86\x84\x41\x8c\xf1\xe3\xc2\xe5\xf2\x3a\x6b\xa0\xab\x90\xf4\xff";
    let fields = Decoder::new().read(first).unwrap();
    assert_eq!(fields[3], (":authority".to_owned(), "www.example.com".to_owned()));
    let mut decoder = Decoder::new();
    decoder.read(&remembered(b"x", b"y")).unwrap();
    assert_eq!(decoder.read(&indexed(62)).unwrap(), [("x".to_owned(), "y".to_owned())]);
}
