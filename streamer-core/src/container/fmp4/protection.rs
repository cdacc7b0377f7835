//! Common Encryption, scheme `cbcs`: what the init segment and the fragments say of it (ISO/IEC 23001-7).

use super::boxes::{BOX_HEADER_BYTES, BoxWriter, FULL_BOX_HEADER_BYTES, FourCc};
use super::error::Fmp4Error;
use crate::codec::MediaKind;

/// Bytes of a key, a key identifier and an initialization vector.
pub const KEY_BYTES: usize = 16;
/// Blocks of sixteen bytes that are encrypted of every ten, in video (ISO/IEC 23001-7 10.4.2).
pub(super) const CRYPT_BLOCKS: u8 = 1;
/// Blocks that are left clear behind them.
pub(super) const SKIP_BLOCKS: u8 = 9;
/// Subsamples of one sample: what the eight bits of its size in `saiz` can count, at six bytes each.
pub const MAX_SUBSAMPLES: usize = (u8::MAX as usize - 2) / SUBSAMPLE_BYTES;

const SUBSAMPLE_BYTES: usize = 6;
/// Flag of `senc`: samples tell their subsamples.
const USE_SUBSAMPLES: u32 = 2;

/// How the samples of a track are protected; it stands in the init segment (`sinf`, 8.1 and 8.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protection {
    /// `default_KID`, by which a licence or a key server names the key.
    pub key_id: [u8; KEY_BYTES],
    /// The initialization vector of every sample.
    pub constant_iv: [u8; KEY_BYTES],
}

impl Protection {
    /// The `sinf` box of a sample entry that would be `original` without protection.
    pub(super) fn write(&self, original: FourCc, kind: MediaKind, out: &mut BoxWriter) {
        // Audio is encrypted whole block by whole block, which no pattern means.
        let pattern = if kind == MediaKind::Video { CRYPT_BLOCKS << 4 | SKIP_BLOCKS } else { 0 };
        out.boxed(*b"sinf", |out| {
            out.boxed(*b"frma", |out| out.bytes(&original));
            out.full(*b"schm", 0, 0, |out| {
                out.bytes(b"cbcs");
                out.u32(0x1_0000);
            });
            out.boxed(*b"schi", |out| {
                out.full(*b"tenc", 1, 0, |out| {
                    out.u8(0);
                    out.u8(pattern);
                    out.u8(1); // default_isProtected
                    out.u8(0); // default_Per_Sample_IV_Size: the vector is constant
                    out.bytes(&self.key_id);
                    out.u8(KEY_BYTES as u8);
                    out.bytes(&self.constant_iv);
                });
            });
        });
    }
}

/// A stretch of clear bytes and the stretch of protected ones behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Subsample {
    /// `BytesOfClearData`.
    pub clear: u16,
    /// `BytesOfProtectedData`.
    pub protected: u32,
}

/// The stretches of one sample, which make up all of it. Samples that are protected whole, as those of audio
/// are, need none of this: the constant vector says it all.
pub type SampleProtection = Vec<Subsample>;

/// Bytes that `saiz`, `saio` and `senc` take for `samples`.
pub(super) fn aux_bytes(samples: &[SampleProtection]) -> Result<usize, Fmp4Error> {
    let mut info = 0;
    for subsamples in samples {
        if subsamples.len() > MAX_SUBSAMPLES {
            let (value, max) = (subsamples.len() as u64, MAX_SUBSAMPLES as u64);
            return Err(Fmp4Error::Limit { what: "subsamples of a sample", value, max });
        }
        info += info_bytes(subsamples);
    }
    let saiz = FULL_BOX_HEADER_BYTES + 5 + samples.len();
    let saio = FULL_BOX_HEADER_BYTES + 8;
    Ok(saiz + saio + FULL_BOX_HEADER_BYTES + 4 + info)
}

/// Writes the three boxes; `moof_start` is where in `out` the `moof` box begins (7.2, ISO/IEC 14496-12 8.7.8).
pub(super) fn write_aux(samples: &[SampleProtection], moof_start: usize, out: &mut BoxWriter) {
    let count = u32::try_from(samples.len()).unwrap_or(u32::MAX);
    out.full(*b"saiz", 0, 0, |out| {
        out.u8(0); // default_sample_info_size: each is told
        out.u32(count);
        for subsamples in samples {
            out.u8(u8::try_from(info_bytes(subsamples)).unwrap_or(u8::MAX));
        }
    });
    out.full(*b"saio", 0, 0, |out| {
        out.u32(1);
        let senc = out.len() + 4 - moof_start;
        out.u32(u32::try_from(senc + BOX_HEADER_BYTES + 4 + 4).unwrap_or(u32::MAX));
    });
    out.full(*b"senc", 0, USE_SUBSAMPLES, |out| {
        out.u32(count);
        for subsamples in samples {
            out.u16((subsamples.len() & 0xffff) as u16);
            for subsample in subsamples {
                out.u16(subsample.clear);
                out.u32(subsample.protected);
            }
        }
    });
}

const fn info_bytes(subsamples: &SampleProtection) -> usize {
    2 + subsamples.len() * SUBSAMPLE_BYTES
}
