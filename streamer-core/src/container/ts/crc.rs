//! The CRC of sections: CRC-32/MPEG-2 (ISO/IEC 13818-1 annex A).

const POLYNOMIAL: u32 = 0x04c1_1db7;

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = (index as u32) << 24;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 0x8000_0000 == 0 { value << 1 } else { (value << 1) ^ POLYNOMIAL };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

/// The `CRC_32` to be put behind `section`; zero for a whole section whose CRC is right.
pub(super) fn crc32(section: &[u8]) -> u32 {
    section.iter().fold(u32::MAX, |crc, &byte| {
        let index = (crc >> 24) as u8 ^ byte;
        (crc << 8) ^ TABLE.get(usize::from(index)).copied().unwrap_or_default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_check_value_of_the_catalogue() {
        assert_eq!(crc32(b"123456789"), 0x0376_e6e7);
    }

    #[test]
    fn a_section_with_its_crc_gives_zero() {
        let mut section = b"123456789".to_vec();
        section.extend(crc32(&section).to_be_bytes());
        assert_eq!(crc32(&section), 0);
        section[3] ^= 0x10;
        assert_ne!(crc32(&section), 0);
    }
}
