//! A daemon as a process, for tests: started until it is ready, listened to, signalled, and never outliving the test.

use std::io::{self, BufRead, BufReader, Read};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

/// Far more than a start or a word of the log takes, far less than anyone waits.
pub const PATIENCE: Duration = Duration::from_secs(60);
/// What the last line says of those with which a daemon tells that it is ready.
const READY: &str = "Ctrl-C";

/// A daemon that runs; dropping it kills it.
#[derive(Debug)]
pub struct RunningDaemon {
    child: Child,
    out: Receiver<String>,
    log: Receiver<String>,
    banner: String,
}

/// How a process ended and what it wrote that nobody had read.
#[derive(Debug)]
pub struct EndedDaemon {
    /// Exit code; `None` if a signal ended it.
    pub code: Option<i32>,
    /// Standard output.
    pub out: String,
    /// Standard error, which has the log.
    pub log: String,
}

impl RunningDaemon {
    /// Starts `command` without input and waits until it says that it is ready.
    ///
    /// # Errors
    /// When it cannot be started; with its log, when it ends instead.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        let mut running = Self::spawn(command)?;
        let mut banner = String::new();
        loop {
            match next(&running.out, Instant::now() + PATIENCE) {
                Ok(line) => banner += &line,
                Err(error) => {
                    running.kill()?;
                    let log = running.end()?.log;
                    return Err(io::Error::other(format!("{command:?}: {error}\n{banner}{log}")));
                }
            }
            if banner.lines().last().is_some_and(|line| line.contains(READY)) {
                running.banner = banner;
                return Ok(running);
            }
        }
    }

    /// Starts `command` without input, and does not wait for anything.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn spawn(command: &mut Command) -> io::Result<Self> {
        let mut child = command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
        let (out, log) = (lines(child.stdout.take()), lines(child.stderr.take()));
        Ok(Self { child, out, log, banner: String::new() })
    }

    /// What it said when it was ready.
    #[must_use]
    pub fn banner(&self) -> &str {
        &self.banner
    }

    /// Reads its log up to a line with `words`, which is told.
    ///
    /// # Errors
    /// When it ends without, or nothing of the kind comes in [`PATIENCE`].
    pub fn logged(&self, words: &str) -> io::Result<String> {
        let end = Instant::now() + PATIENCE;
        loop {
            let line = next(&self.log, end)
                .map_err(|error| io::Error::other(format!("no word of {words:?}: {error}")))?;
            if line.contains(words) {
                return Ok(line);
            }
        }
    }

    /// Sends it a signal.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        Ok(kill_process(Pid::from_child(&self.child), signal)?)
    }

    /// Kills it, as a machine does that has no memory left.
    ///
    /// # Errors
    /// When the system refuses.
    pub fn kill(&mut self) -> io::Result<ExitStatus> {
        self.child.kill()?;
        self.child.wait()
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// When the system does not tell, or it still runs after [`PATIENCE`].
    pub fn end(mut self) -> io::Result<EndedDaemon> {
        // Who ends closes its output; that is the event to wait for.
        let end = Instant::now() + PATIENCE;
        let (out, log) = (rest(&self.out, end)?, rest(&self.log, end)?);
        Ok(EndedDaemon { code: self.child.wait()?.code(), out, log })
    }
}

impl Drop for RunningDaemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs `command` without input to its end.
///
/// # Errors
/// When it cannot be started, or still runs after [`PATIENCE`].
pub fn run(command: &mut Command) -> io::Result<EndedDaemon> {
    RunningDaemon::spawn(command)?.end()
}

/// The lines that `stream` brings, taken as they come so that the writer never waits; the channel closes at its end.
fn lines(stream: Option<impl Read + Send + 'static>) -> Receiver<String> {
    let (sender, receiver) = channel();
    thread::spawn(move || {
        let Some(mut stream) = stream.map(BufReader::new) else { return };
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line), Ok(1..)) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                return;
            }
            line.clear();
        }
    });
    receiver
}

fn next(lines: &Receiver<String>, end: Instant) -> io::Result<String> {
    lines.recv_timeout(end.saturating_duration_since(Instant::now())).map_err(|error| match error {
        RecvTimeoutError::Timeout => io::Error::new(io::ErrorKind::TimedOut, "it takes too long"),
        RecvTimeoutError::Disconnected => io::Error::new(io::ErrorKind::UnexpectedEof, "it ended"),
    })
}

fn rest(lines: &Receiver<String>, end: Instant) -> io::Result<String> {
    let mut text = String::new();
    loop {
        match next(lines, end) {
            Ok(line) => text += &line,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(text),
            Err(error) => return Err(error),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shell(script: &str) -> Command {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        command
    }

    #[test]
    fn it_is_listened_to_from_ready_to_end() {
        let script = "echo hello; echo 'Ctrl-C stops it.'; echo begun >&2; echo one >&2; echo more; exit 3";
        let running = RunningDaemon::start(&mut shell(script)).unwrap();
        assert_eq!(running.banner(), "hello\nCtrl-C stops it.\n");
        assert_eq!(running.logged("beg").unwrap(), "begun\n");
        let ended = running.end().unwrap();
        assert_eq!((ended.code, ended.out.as_str(), ended.log.as_str()), (Some(3), "more\n", "one\n"));
    }

    #[test]
    fn who_ends_before_it_is_ready_is_told_with_its_log() {
        let refused = RunningDaemon::start(&mut shell("echo a; echo why >&2")).unwrap_err().to_string();
        assert!(refused.contains("it ended") && refused.contains("why"), "{refused}");
        let running = RunningDaemon::start(&mut shell("echo Ctrl-C")).unwrap();
        assert!(running.logged("a").unwrap_err().to_string().contains("it ended"));
    }

    #[test]
    fn a_signal_arrives_and_a_kill_is_the_end() {
        let script = "trap 'echo told; exit 0' TERM; echo Ctrl-C; while :; do :; done";
        let running = RunningDaemon::start(&mut shell(script)).unwrap();
        running.signal(Signal::TERM).unwrap();
        assert_eq!(running.end().unwrap().out, "told\n");
        let mut running = RunningDaemon::start(&mut shell("echo Ctrl-C; exec sleep 100")).unwrap();
        assert_eq!(running.kill().unwrap().code(), None);
    }
}
