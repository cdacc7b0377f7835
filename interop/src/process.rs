//! One program running: its output is gathered while it runs, and it never outlives the test.

use std::io::{ErrorKind, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use crate::Outcome;

/// Most that is read of a program's output at once: what a pipe holds.
const CHUNK_BYTES: usize = 64 << 10;

/// A program that was started; dropping it ends it.
#[derive(Debug)]
pub struct Running {
    child: Child,
    line: String,
    stdout: Receiver<Vec<u8>>,
    stderr: Receiver<Vec<u8>>,
}

/// How a program ended and what it wrote.
#[derive(Debug)]
pub struct Finished {
    /// Exit status.
    pub status: ExitStatus,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
    line: String,
}

impl Running {
    /// Starts `command` without input.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(command: &mut Command) -> Outcome<Self> {
        let line = format!("{command:?}");
        let mut child = command
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| format!("{line}: {error}"))?;
        let stdout = gather(child.stdout.take());
        let stderr = gather(child.stderr.take());
        Ok(Self { child, line, stdout, stderr })
    }

    /// Waits until it has written `count` bytes to its standard output, and takes what it has written.
    ///
    /// # Errors
    /// When it ends before, or has not written so much after `limit`.
    pub fn until_written(&self, count: usize, limit: Duration) -> Outcome<Vec<u8>> {
        let end = Instant::now() + limit;
        let mut written = Vec::new();
        while written.len() < count {
            let left = end.saturating_duration_since(Instant::now());
            let chunk = self
                .stdout
                .recv_timeout(left)
                .map_err(|error| format!("{}: {} bytes of {count}: {error}", self.line, written.len()))?;
            written.extend(chunk);
        }
        Ok(written)
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When it still runs after `limit`, with what it has written.
    pub fn wait(mut self, limit: Duration) -> Outcome<Finished> {
        // A program that ends closes its output; that is the event to wait for.
        let end = Instant::now() + limit;
        let mut outputs = [Vec::new(), Vec::new()];
        let mut late = false;
        for (output, receiver) in outputs.iter_mut().zip([&self.stdout, &self.stderr]) {
            loop {
                match receiver.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    Ok(chunk) => output.extend(chunk),
                    Err(RecvTimeoutError::Disconnected) => break,
                    Err(RecvTimeoutError::Timeout) => {
                        late = true;
                        self.child.kill()?;
                        output.extend(receiver.iter().flatten());
                        break;
                    }
                }
            }
        }
        let status = self.child.wait()?;
        let [stdout, stderr] = outputs.map(|output| String::from_utf8_lossy(&output).into_owned());
        let line = self.line.clone();
        if late {
            return Err(format!("{line}: still running after {limit:?}\n{stdout}{stderr}").into());
        }
        Ok(Finished { status, stdout, stderr, line })
    }

    /// Whether it still runs.
    ///
    /// # Errors
    /// When the system does not tell.
    pub fn is_running(&mut self) -> Outcome<bool> {
        Ok(self.child.try_wait()?.is_none())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Itself, when the program reported success.
    ///
    /// # Errors
    /// With everything it wrote, when not.
    pub fn success(self) -> Outcome<Self> {
        if self.status.success() {
            return Ok(self);
        }
        Err(format!("{}: {}\n{}{}", self.line, self.status, self.stdout, self.stderr).into())
    }
}

/// What `stream` brings, piece by piece; the channel closes at its end.
fn gather(stream: Option<impl Read + Send + 'static>) -> Receiver<Vec<u8>> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let Some(mut stream) = stream else { return };
        let mut chunk = vec![0; CHUNK_BYTES];
        loop {
            match stream.read(&mut chunk) {
                Ok(count @ 1..) if sender.send(chunk[..count].to_vec()).is_ok() => {}
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                _ => return,
            }
        }
    });
    receiver
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn output_and_status_are_told() {
        let mut command = Command::new("sh");
        command.args(["-c", "echo out; echo err >&2; exit 3"]);
        let finished = Running::start(&mut command).unwrap().wait(Duration::from_secs(10)).unwrap();
        assert_eq!((finished.stdout.as_str(), finished.stderr.as_str()), ("out\n", "err\n"));
        assert_eq!(finished.status.code(), Some(3));
        assert!(finished.success().unwrap_err().to_string().contains("err"));
    }

    #[test]
    fn what_a_program_writes_is_there_before_it_ends() {
        let start = |script: &str| Running::start(Command::new("sh").args(["-c", script])).unwrap();
        let writing = start("printf 01234; printf 56789; exec sleep 100");
        assert_eq!(writing.until_written(10, Duration::from_secs(10)).unwrap(), b"0123456789");
        assert!(writing.until_written(1, Duration::from_millis(50)).is_err(), "no more comes in time");
        let ended = start("printf 0123").until_written(5, Duration::from_secs(10)).unwrap_err().to_string();
        assert!(ended.contains("4 bytes of 5"), "{ended}");
    }

    #[test]
    fn a_program_that_does_not_end_is_ended() {
        let mut command = Command::new("sleep");
        let running = Running::start(command.arg("100")).unwrap();
        let began = Instant::now();
        assert!(running.wait(Duration::from_millis(50)).unwrap_err().to_string().contains("still running"));
        assert!(began.elapsed() < Duration::from_secs(50));
    }
}
