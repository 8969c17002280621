//! Content codings, undone step by step: no step makes more than a bounded number of bytes, so that whoever calls can stop
//! at a limit and let others run in between.

use std::io::Write as _;

use brotli::enc::StandardAlloc;
use brotli::{BrotliDecompressStream, BrotliResult, BrotliState};
use flate2::write::MultiGzDecoder;
use flate2::{Decompress, FlushDecompress, Status};
use zstd::stream::raw::{DParameter, Decoder as Zstd, InBuffer, Operation as _, OutBuffer};

use super::head::Head;
use super::name::FieldName;
use crate::limits::{CODING_STEP_BYTES, ZSTD_WINDOW_BITS_MAX};

/// In which content coding a message's body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Coding {
    /// As it is.
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
    /// One that we do not know, or several at once.
    Unknown,
}

/// Undoes one body's coding.
pub struct Decoder(Kind);

enum Kind {
    Gzip(MultiGzDecoder<Vec<u8>>),
    /// `deflate`, before its first bytes say whether they have the zlib header that they should have.
    Deflate(Vec<u8>),
    /// With that header or, as some servers send it all the same, without.
    Inflate(Decompress, bool),
    Brotli(Box<BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>>, bool),
    Zstd(Box<Zstd<'static>>, bool),
}

/// The bytes are not in the coding that they are said to be in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the body is not in the coding that its head names")]
pub struct BadCoding;

// === impl Coding ===

impl Coding {
    /// What the head of a message says.
    #[must_use]
    pub fn of(head: &Head) -> Self {
        let Ok(name) = FieldName::new("content-encoding") else { return Self::Identity };
        let mut found = Self::Identity;
        for value in head.all(&name) {
            for token in super::hop_by_hop::tokens(value) {
                let one = Self::named(token);
                found = match (found, one) {
                    (found, Self::Identity) => found,
                    (Self::Identity, one) => one,
                    _ => return Self::Unknown,
                };
            }
        }
        found
    }

    fn named(token: &[u8]) -> Self {
        let rows: [(&[u8], Self); 7] = [
            (b"identity", Self::Identity),
            (b"gzip", Self::Gzip),
            (b"x-gzip", Self::Gzip),
            (b"deflate", Self::Deflate),
            (b"br", Self::Brotli),
            (b"zstd", Self::Zstd),
            (b"", Self::Identity),
        ];
        let row = rows.iter().find(|(name, _)| name.eq_ignore_ascii_case(token));
        row.map_or(Self::Unknown, |(_, coding)| *coding)
    }

    /// Its decoder; `None`: there is nothing to undo, or nobody knows how.
    #[must_use]
    pub fn decoder(self) -> Option<Decoder> {
        Some(Decoder(match self {
            Self::Identity | Self::Unknown => return None,
            Self::Gzip => Kind::Gzip(MultiGzDecoder::new(Vec::new())),
            Self::Deflate => Kind::Deflate(Vec::new()),
            Self::Brotli => {
                let alloc = StandardAlloc::default;
                Kind::Brotli(Box::new(BrotliState::new_strict(alloc(), alloc(), alloc())), false)
            }
            Self::Zstd => {
                let mut zstd = Zstd::new().ok()?;
                zstd.set_parameter(DParameter::WindowLogMax(ZSTD_WINDOW_BITS_MAX)).ok()?;
                Kind::Zstd(Box::new(zstd), false)
            }
        }))
    }
}

// === impl Decoder ===

impl Decoder {
    /// One step: takes some of `input`, says how much, and appends what it makes of it, about [`CODING_STEP_BYTES`] at
    /// most. Nothing taken and nothing made: more input is needed.
    pub fn step(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BadCoding> {
        if let Kind::Deflate(begun) = &mut self.0 {
            let take = input.len().min(2 - begun.len());
            begun.extend_from_slice(&input[..take]);
            if let &mut [first, second] = begun.as_mut_slice() {
                let zlib = first & 0x0f == 8 && (u16::from(first) << 8 | u16::from(second)).is_multiple_of(31);
                let begun = [first, second];
                self.0 = Kind::Inflate(Decompress::new(zlib), false);
                let mut at = 0;
                while at < begun.len() {
                    at += self.step(&begun[at..], out)?;
                }
            }
            return Ok(take);
        }
        match &mut self.0 {
            Kind::Gzip(gzip) => {
                let taken = gzip.write(input).map_err(|_| BadCoding)?;
                out.append(gzip.get_mut());
                Ok(taken)
            }
            Kind::Inflate(inflate, ended) => step_inflate(inflate, ended, input, out),
            Kind::Brotli(state, ended) => step_brotli(state, ended, input, out),
            Kind::Zstd(zstd, ended) => step_zstd(zstd, ended, input, out),
            Kind::Deflate(_) => Err(BadCoding),
        }
    }

    /// The input has ended: was that the end of the body too? Appends what was kept back.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), BadCoding> {
        match &mut self.0 {
            Kind::Gzip(gzip) => {
                gzip.try_finish().map_err(|_| BadCoding)?;
                out.append(gzip.get_mut());
            }
            Kind::Deflate(begun) if begun.is_empty() => {}
            Kind::Inflate(_, ended) | Kind::Brotli(_, ended) | Kind::Zstd(_, ended) if *ended => {}
            _ => return Err(BadCoding),
        }
        Ok(())
    }
}

fn step_inflate(
    inflate: &mut Decompress,
    ended: &mut bool,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<usize, BadCoding> {
    if *ended {
        return Ok(input.len()); // what follows is nobody's
    }
    let begun = out.len();
    let before = (inflate.total_in(), inflate.total_out());
    out.resize(begun + CODING_STEP_BYTES, 0);
    let status = inflate.decompress(input, &mut out[begun..], FlushDecompress::None);
    out.truncate(begun + (inflate.total_out() - before.1) as usize);
    *ended = status.map_err(|_| BadCoding)? == Status::StreamEnd;
    Ok((inflate.total_in() - before.0) as usize)
}

fn step_brotli(
    state: &mut BrotliState<StandardAlloc, StandardAlloc, StandardAlloc>,
    ended: &mut bool,
    input: &[u8],
    out: &mut Vec<u8>,
) -> Result<usize, BadCoding> {
    if *ended {
        return if input.is_empty() { Ok(0) } else { Err(BadCoding) };
    }
    let begun = out.len();
    out.resize(begun + CODING_STEP_BYTES, 0);
    let (mut input_left, mut input_at) = (input.len(), 0);
    let (mut room_left, mut out_at, mut total) = (CODING_STEP_BYTES, begun, 0);
    let result = BrotliDecompressStream(
        &mut input_left,
        &mut input_at,
        input,
        &mut room_left,
        &mut out_at,
        out,
        &mut total,
        state,
    );
    out.truncate(out_at);
    match result {
        BrotliResult::ResultFailure => return Err(BadCoding),
        BrotliResult::ResultSuccess => *ended = true,
        BrotliResult::NeedsMoreInput | BrotliResult::NeedsMoreOutput => {}
    }
    Ok(input_at)
}

fn step_zstd(zstd: &mut Zstd<'static>, ended: &mut bool, input: &[u8], out: &mut Vec<u8>) -> Result<usize, BadCoding> {
    let begun = out.len();
    out.resize(begun + CODING_STEP_BYTES, 0);
    let mut from = InBuffer::around(input);
    let (hint, made) = {
        let mut to = OutBuffer::around(&mut out[begun..]);
        (zstd.run(&mut from, &mut to), to.pos())
    };
    out.truncate(begun + made);
    if !input.is_empty() || made > 0 {
        *ended = hint.map_err(|_| BadCoding)? == 0;
    }
    Ok(from.pos())
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};

    use super::*;

    fn gzip(plain: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(plain).unwrap();
        encoder.finish().unwrap()
    }

    fn coded(plain: &[u8]) -> Vec<(Coding, Vec<u8>)> {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
        zlib.write_all(plain).unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::default());
        raw.write_all(plain).unwrap();
        let mut brotli = Vec::new();
        brotli::BrotliCompress(&mut &*plain, &mut brotli, &brotli::enc::BrotliEncoderParams::default()).unwrap();
        let two = [gzip(&plain[..plain.len() / 2]), gzip(&plain[plain.len() / 2..])].concat();
        vec![
            (Coding::Gzip, gzip(plain)),
            (Coding::Gzip, two),
            (Coding::Deflate, zlib.finish().unwrap()),
            (Coding::Deflate, raw.finish().unwrap()),
            (Coding::Brotli, brotli),
            (Coding::Zstd, zstd::encode_all(plain, 3).unwrap()),
        ]
    }

    /// Everything, in pieces of so many bytes; and the most that one step has made.
    fn decode(coding: Coding, input: &[u8], piece: usize) -> Result<(Vec<u8>, usize), BadCoding> {
        let mut decoder = coding.decoder().unwrap();
        let (mut out, mut most) = (Vec::new(), 0);
        for piece in input.chunks(piece) {
            let mut at = 0;
            loop {
                let before = out.len();
                let taken = decoder.step(&piece[at..], &mut out)?;
                at += taken;
                most = most.max(out.len() - before);
                if taken == 0 && out.len() == before {
                    break;
                }
                if at == piece.len() && out.len() == before {
                    break;
                }
            }
        }
        decoder.finish(&mut out)?;
        Ok((out, most))
    }

    #[test]
    fn every_coding_is_undone_whatever_the_pieces() {
        let plain: Vec<u8> = (0..20_000u32).flat_map(|n| (n / 7).to_string().into_bytes()).collect();
        for (coding, bytes) in coded(&plain) {
            for piece in [1, 1000, usize::MAX] {
                let (out, _) = decode(coding, &bytes, piece).unwrap_or_else(|_| panic!("{coding:?} by {piece}"));
                assert!(out == plain, "{coding:?} by {piece}: {} of {}", out.len(), plain.len());
            }
            assert_eq!(decode(coding, &bytes[..bytes.len() - 5], 1000), Err(BadCoding), "{coding:?} cut short");
            assert!(decode(coding, b"this is not it at all, whichever it is", 1000).is_err(), "{coding:?}");
        }
    }

    #[test]
    fn one_step_of_a_bomb_makes_little() {
        let bomb = vec![0; 4_000_000];
        for (coding, bytes) in coded(&bomb) {
            let (out, most) = decode(coding, &bytes, usize::MAX).unwrap();
            assert_eq!(out.len(), bomb.len());
            assert!(most <= 2 * CODING_STEP_BYTES, "{coding:?}: {most} bytes at once");
        }
    }

    #[test]
    fn heads_name_their_coding() {
        let coding = |values: &[&str]| {
            let mut head = Head::response(200);
            for value in values {
                head.add(&FieldName::new("Content-Encoding").unwrap(), value.as_bytes());
            }
            Coding::of(&head)
        };
        assert_eq!(coding(&[]), Coding::Identity);
        assert_eq!(coding(&["GZIP"]), Coding::Gzip);
        assert_eq!(coding(&["identity, br"]), Coding::Brotli);
        assert_eq!(coding(&["gzip", "br"]), Coding::Unknown);
        assert_eq!(coding(&["compress"]), Coding::Unknown);
    }
}
