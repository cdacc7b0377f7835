//! Encryption of samples by scheme `cbcs` (ISO/IEC 23001-7 9.5, 10.4).
//!
//! Video is encrypted slice by slice, one block of sixteen bytes in ten; what a player needs to find its way, NAL
//! unit headers, parameter sets, SEI and slice headers, stays clear. Audio frames are encrypted whole. Bytes
//! that do not fill a block stay clear.

use std::fmt;

use aes::Aes128;
use aes::cipher::{BlockEncryptMut, KeyIvInit};
use bytes::Bytes;
use cbc::Encryptor;

use super::error::Fmp4Error;
use super::fragment::Sample;
use super::protection::{
    CRYPT_BLOCKS, KEY_BYTES, MAX_SUBSAMPLES, Protection, SKIP_BLOCKS, SampleProtection, Subsample,
};
use super::sample_entry::carries;
use crate::codec::{Codec, CodecError, h264, h265, nal};

const BLOCK_BYTES: usize = 16;
/// Clear bytes at the start of an H.264 slice, whose header must stay clear. Headers take some ten bytes, with
/// tables of prediction weights up to a hundred.
const AVC_CLEAR_BYTES: usize = 128;
/// The same of H.265, whose headers also tell where each row of blocks begins.
const HEVC_CLEAR_BYTES: usize = 256;
/// `nal_unit_type`s of slices: all below 32 in H.265 (table 7-1), and 1 to 5 in H.264.
const HEVC_SLICES: std::ops::RangeInclusive<u8> = 0..=31;
const AVC_SLICES: std::ops::RangeInclusive<u8> = 1..=5;
/// Stretches kept for what is clear behind the last slice that is encrypted.
const SPARE_SUBSAMPLES: usize = 6;

/// Encrypts the samples of a track.
#[derive(Clone)]
pub struct SampleCipher {
    key: [u8; KEY_BYTES],
    constant_iv: [u8; KEY_BYTES],
}

impl fmt::Debug for SampleCipher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SampleCipher").finish_non_exhaustive()
    }
}

impl SampleCipher {
    /// A cipher of `key`, which `protection` names and gives the initialization vector of.
    #[must_use]
    pub const fn new(key: [u8; KEY_BYTES], protection: &Protection) -> Self {
        Self { key, constant_iv: protection.constant_iv }
    }

    /// Whether there is a way to protect `codec`: H.264, H.265 and all audio that is
    /// [carried](super::carries).
    #[must_use]
    pub const fn protects(codec: &Codec) -> bool {
        !matches!(codec, Codec::Av1(_) | Codec::Vp9(_)) && carries(codec)
    }

    /// Encrypts the payloads of `samples`, and answers with what
    /// [`TrackRun::protection`](super::TrackRun::protection) is to tell of them: nothing of audio.
    ///
    /// # Errors
    /// [`Fmp4Error::UnsupportedCodec`] where the codec [is not protected](Self::protects), [`Fmp4Error::Codec`] for a
    /// sample that is no row of NAL units, [`Fmp4Error::Limit`] for one whose clear stretches do not fit. The samples
    /// are then as they were.
    pub fn encrypt(
        &self,
        codec: &Codec,
        samples: &mut [Sample],
    ) -> Result<Option<Vec<SampleProtection>>, Fmp4Error> {
        if !Self::protects(codec) {
            return Err(Fmp4Error::UnsupportedCodec { codec: codec.name() });
        }
        if !matches!(codec, Codec::H264(_) | Codec::H265(_)) {
            for sample in samples {
                sample.data = self.whole(&sample.data);
            }
            return Ok(None);
        }
        let stretches: Result<Vec<_>, _> =
            samples.iter().map(|sample| slice_stretches(codec, &sample.data)).collect();
        let stretches = stretches?;
        for (sample, stretches) in samples.iter_mut().zip(&stretches) {
            sample.data = self.pattern(&sample.data, stretches);
        }
        Ok(Some(stretches))
    }

    fn encryptor(&self) -> Encryptor<Aes128> {
        Encryptor::new(&self.key.into(), &self.constant_iv.into())
    }

    fn whole(&self, data: &[u8]) -> Bytes {
        let mut data = data.to_vec();
        let mut encryptor = self.encryptor();
        for block in data.chunks_exact_mut(BLOCK_BYTES) {
            encryptor.encrypt_block_mut(block.into());
        }
        data.into()
    }

    /// The vector begins anew with each stretch (10.4.1).
    fn pattern(&self, data: &[u8], stretches: &[Subsample]) -> Bytes {
        let mut data = data.to_vec();
        let mut rest = data.as_mut_slice();
        for stretch in stretches {
            let clear = usize::from(stretch.clear).min(rest.len());
            let (_, behind) = std::mem::take(&mut rest).split_at_mut(clear);
            let protected = (stretch.protected as usize).min(behind.len());
            let (protected, behind) = behind.split_at_mut(protected);
            let mut encryptor = self.encryptor();
            for group in protected.chunks_mut(usize::from(CRYPT_BLOCKS + SKIP_BLOCKS) * BLOCK_BYTES) {
                for block in group.chunks_exact_mut(BLOCK_BYTES).take(CRYPT_BLOCKS.into()) {
                    encryptor.encrypt_block_mut(block.into());
                }
            }
            rest = behind;
        }
        data.into()
    }
}

/// Clear and protected stretches of an access unit, which make up all of it.
fn slice_stretches(codec: &Codec, data: &[u8]) -> Result<SampleProtection, Fmp4Error> {
    let mut stretches = Vec::new();
    let mut clear = 0;
    let mut position = 0;
    while position < data.len() {
        let rest = data.get(position..).unwrap_or_default();
        let truncated = CodecError::Truncated { structure: "access unit", offset: position };
        let (&prefix, rest) = rest.split_first_chunk().ok_or(truncated.clone())?;
        let len = u32::from_be_bytes(prefix) as usize;
        let unit = rest.get(..len).ok_or(truncated)?;
        position += usize::from(nal::LENGTH_SIZE) + len;
        clear += usize::from(nal::LENGTH_SIZE) + len;
        let whole_blocks = protected_bytes(codec, unit);
        if whole_blocks > 0 && stretches.len() < MAX_SUBSAMPLES - SPARE_SUBSAMPLES {
            let lead = lead_bytes(codec);
            let behind = len - lead - whole_blocks;
            put(&mut stretches, clear - whole_blocks - behind, whole_blocks);
            clear = behind;
        }
    }
    if clear > 0 || stretches.is_empty() {
        put(&mut stretches, clear, 0);
    }
    if stretches.len() > MAX_SUBSAMPLES {
        let (value, max) = (stretches.len() as u64, MAX_SUBSAMPLES as u64);
        return Err(Fmp4Error::Limit { what: "subsamples of a sample", value, max });
    }
    Ok(stretches)
}

/// Appends a stretch; clear bytes past what one can tell go before it.
fn put(stretches: &mut SampleProtection, mut clear: usize, protected: usize) {
    while clear > usize::from(u16::MAX) {
        stretches.push(Subsample { clear: u16::MAX, protected: 0 });
        clear -= usize::from(u16::MAX);
    }
    let (clear, protected) =
        (u16::try_from(clear).unwrap_or(u16::MAX), u32::try_from(protected).unwrap_or(u32::MAX));
    stretches.push(Subsample { clear, protected });
}

const fn lead_bytes(codec: &Codec) -> usize {
    if matches!(codec, Codec::H264(_)) { AVC_CLEAR_BYTES } else { HEVC_CLEAR_BYTES }
}

/// Bytes of the whole blocks behind the clear lead of a slice; none of other NAL units.
fn protected_bytes(codec: &Codec, unit: &[u8]) -> usize {
    let slice = match codec {
        Codec::H264(_) => h264::nal_type(unit).is_some_and(|kind| AVC_SLICES.contains(&kind)),
        _ => h265::nal_type(unit).is_some_and(|kind| HEVC_SLICES.contains(&kind)),
    };
    if !slice {
        return 0;
    }
    unit.len().saturating_sub(lead_bytes(codec)) / BLOCK_BYTES * BLOCK_BYTES
}

#[cfg(test)]
mod tests;
