//! Picture sizes: from coded size to what is shown, bounded.

use super::{CodecError, Resolution};

/// Largest width or height accepted, in pixels: the side of an AV1 level 6.x picture and past every H.264 and
/// H.265 level. Nobody downstream has to fear a product of two sides.
pub const MAX_DIMENSION: u32 = 16_384;

/// The size checked against zero and [`MAX_DIMENSION`].
pub(crate) fn bounded(structure: &'static str, width: u64, height: u64) -> Result<Resolution, CodecError> {
    let side = |field, value: u64| match u32::try_from(value) {
        Ok(0) => Err(CodecError::Field { structure, field, value }),
        Ok(pixels) if pixels <= MAX_DIMENSION => Ok(pixels),
        _ => Err(CodecError::Limit { structure, what: field, value, max: MAX_DIMENSION.into() }),
    };
    Ok(Resolution { width: side("width", width)?, height: side("height", height)? })
}

/// A coded size less `[left, right, top, bottom]` in units of `(x, y)` pixels.
pub(crate) fn cropped(
    structure: &'static str,
    (width, height): (u64, u64),
    [left, right, top, bottom]: [u32; 4],
    (unit_x, unit_y): (u32, u32),
) -> Result<Resolution, CodecError> {
    let shown = |field, coded: u64, unit: u32, crop: u64| {
        let value = crop * u64::from(unit);
        coded.checked_sub(value).ok_or(CodecError::Field { structure, field, value })
    };
    let width = shown("horizontal crop", width, unit_x, u64::from(left) + u64::from(right))?;
    let height = shown("vertical crop", height, unit_y, u64::from(top) + u64::from(bottom))?;
    bounded(structure, width, height)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sides_up_to_the_limit() {
        let max = u64::from(MAX_DIMENSION);
        assert_eq!(bounded("test", max, 1), Ok(Resolution { width: MAX_DIMENSION, height: 1 }));
        let limit = |what| Err(CodecError::Limit { structure: "test", what, value: max + 1, max });
        assert_eq!(bounded("test", max + 1, 1), limit("width"));
        assert_eq!(bounded("test", 1, max + 1), limit("height"));
        assert!(matches!(bounded("test", 0, 1), Err(CodecError::Field { field: "width", .. })));
    }

    #[test]
    fn a_crop_as_large_as_the_picture_is_refused() {
        assert_eq!(cropped("test", (32, 32), [0, 1, 3, 0], (2, 4)), bounded("test", 30, 20));
        assert!(cropped("test", (32, 32), [8, 8, 0, 0], (2, 2)).is_err());
        assert!(cropped("test", (32, 32), [0, 0, u32::MAX, u32::MAX], (2, 2)).is_err());
    }
}
