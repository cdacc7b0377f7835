//! Bytes that no server should have to see: what the fuzz targets begin with and found, wrapped in several ways.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use thiserror::Error;

use super::dice::Dice;
use crate::rtmp::HANDSHAKE_BYTES;

/// More than every parser looks at before it has judged.
const MAX_INPUT_BYTES: u64 = 64 * 1024;
/// Request targets are cut so long: past what any server takes.
const MAX_TARGET_BYTES: usize = 16 * 1024;

/// Why there is nothing to send.
#[derive(Debug, Error)]
pub(crate) enum InputsError {
    #[error("{}: {error}", path.display())]
    Read { path: PathBuf, error: io::Error },
    #[error("no inputs below {folders:?}")]
    None { folders: Vec<PathBuf> },
}

/// Which port gets the bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Port {
    Rtmp,
    Http,
}

/// The inputs.
#[derive(Debug)]
pub(super) struct Malformed {
    inputs: Vec<Vec<u8>>,
}

impl Malformed {
    /// Reads every file below `folders`.
    pub(super) fn read(folders: &[PathBuf]) -> Result<Self, InputsError> {
        let mut inputs = Vec::new();
        for folder in folders {
            read_into(&mut inputs, folder)
                .map_err(|error| InputsError::Read { path: folder.clone(), error })?;
        }
        if inputs.is_empty() {
            return Err(InputsError::None { folders: folders.to_vec() });
        }
        Ok(Self { inputs })
    }

    /// One of the inputs in one of its wrappings.
    pub(super) fn pick(&self, dice: &mut Dice) -> (Port, Vec<u8>) {
        let input = &self.inputs[dice.below(self.inputs.len())];
        match dice.below(5) {
            0 => (Port::Rtmp, input.clone()),
            1 => {
                // C0, C1 and C2 of the plain handshake (5.2.2 to 5.2.4), which a server need not have answered yet.
                let mut bytes = vec![3];
                bytes.resize(1 + 2 * HANDSHAKE_BYTES, 0);
                bytes.extend_from_slice(input);
                (Port::Rtmp, bytes)
            }
            2 => (Port::Http, input.clone()),
            3 => {
                let target = &input[..input.len().min(MAX_TARGET_BYTES)];
                (Port::Http, [b"GET /", target, b" HTTP/1.1\r\nHost: x\r\n\r\n"].concat())
            }
            _ => {
                let head =
                    format!("POST /live/x HTTP/1.1\r\nHost: x\r\nContent-Length: {}\r\n\r\n", input.len());
                (Port::Http, [head.as_bytes(), input].concat())
            }
        }
    }
}

fn read_into(inputs: &mut Vec<Vec<u8>>, path: &Path) -> io::Result<()> {
    if path.is_dir() {
        let mut entries: Vec<_> =
            fs::read_dir(path)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
        // The same order on every machine.
        entries.sort();
        return entries.iter().try_for_each(|entry| read_into(inputs, entry));
    }
    let length = fs::metadata(path)?.len();
    if (1..=MAX_INPUT_BYTES).contains(&length) {
        inputs.push(fs::read(path)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_seeds_are_sent_to_both_ports() {
        let seeds = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/seeds");
        let malformed = Malformed::read(&[seeds]).unwrap();
        assert!(malformed.inputs.len() > 50);
        let mut dice = Dice::new();
        let picked: Vec<_> = (0..100).map(|_| malformed.pick(&mut dice)).collect();
        for port in [Port::Rtmp, Port::Http] {
            assert!(picked.iter().filter(|(of, bytes)| *of == port && !bytes.is_empty()).count() > 20);
        }
    }

    #[test]
    fn nothing_to_send_is_an_error() {
        assert!(matches!(Malformed::read(&[]), Err(InputsError::None { .. })));
        assert!(matches!(Malformed::read(&["/nowhere".into()]), Err(InputsError::Read { .. })));
    }
}
