//! One connection, on which commands are sent one after the other (RESP, the protocol of Redis).

use std::{
    io::{Error, ErrorKind, Result},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncWrite, AsyncWriteExt, BufStream},
    net::TcpStream,
    sync::{Mutex, OwnedMutexGuard},
    time::Instant,
};

/// Limit for connecting, and for a command.
const TIMEOUT: Duration = Duration::from_secs(1);
/// Time after a failure in which commands fail at once, so that requests do not wait for a server that is down.
const PAUSE: Duration = Duration::from_secs(1);
/// Maximum length of a line of a reply.
const MAX_LINE: usize = 4_096;

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// Where the server is, and the commands that begin a connection.
#[derive(Clone)]
pub(crate) struct Address {
    /// `HOST:PORT`, or the path of a socket.
    pub(crate) place: String,
    pub(crate) setup: Vec<Vec<String>>,
}

/// The connection of a process, which is opened when it is used.
pub(crate) struct Shared {
    pub(crate) address: Address,
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
pub(crate) struct State {
    stream: Option<BufStream<Box<dyn Stream>>>,
    failed: Option<Instant>,
}

impl Shared {
    pub(crate) fn new(address: Address) -> Self {
        Self { address, state: Arc::default() }
    }
    /// Runs a script, which returns two numbers.
    pub(crate) async fn evaluate(
        &self,
        script: &str,
        key: &str,
        arguments: &[i64],
    ) -> Result<[i64; 2]> {
        let mut state = Arc::clone(&self.state).lock_owned().await;
        state.evaluate(&self.address, script, key, arguments).await
    }
}

/// A place in the order of commands.
type Place = Pin<Box<dyn Future<Output = OwnedMutexGuard<State>> + Send>>;

impl Shared {
    /// Takes a place in the order of commands.
    pub(crate) fn queue(&self) -> Place {
        let mut place = Box::pin(Arc::clone(&self.state).lock_owned());
        // A place is taken when the future is polled for the first time.
        match place.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(state) => Box::pin(std::future::ready(state)),
            Poll::Pending => place,
        }
    }
}

impl State {
    pub(crate) async fn evaluate(
        &mut self,
        address: &Address,
        script: &str,
        key: &str,
        arguments: &[i64],
    ) -> Result<[i64; 2]> {
        if self.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(Error::new(ErrorKind::NotConnected, "it did not reply a moment ago"));
        }
        let mut command =
            vec!["EVAL".to_owned(), script.to_owned(), "1".to_owned(), key.to_owned()];
        command.extend(arguments.iter().map(ToString::to_string));
        // Taken, so that a command that was cancelled in the middle closes the connection.
        let stream = self.stream.take();
        let work = async {
            let mut stream = match stream {
                Some(stream) => stream,
                None => connect(address).await?,
            };
            send(&mut stream, &command).await?;
            let reply = numbers(&mut stream).await?;
            Ok::<_, Error>((stream, reply))
        };
        let ended = tokio::time::timeout(TIMEOUT, work).await;
        let timed_out = |_| Err(Error::new(ErrorKind::TimedOut, "no reply within 1 s"));
        match ended.unwrap_or_else(timed_out) {
            Ok((stream, reply)) => {
                (self.stream, self.failed) = (Some(stream), None);
                Ok(reply)
            }
            Err(e) => {
                self.failed = Some(Instant::now());
                Err(e)
            }
        }
    }
}

async fn connect(address: &Address) -> Result<BufStream<Box<dyn Stream>>> {
    let stream: Box<dyn Stream> = if address.place.starts_with('/') {
        #[cfg(unix)]
        {
            Box::new(tokio::net::UnixStream::connect(&address.place).await?)
        }
        #[cfg(not(unix))]
        return Err(Error::new(ErrorKind::Unsupported, "sockets with a path need Unix"));
    } else {
        let stream = TcpStream::connect(&address.place).await?;
        stream.set_nodelay(true)?;
        Box::new(stream)
    };
    let mut stream = BufStream::new(stream);
    for command in &address.setup {
        send(&mut stream, command).await?;
        if line(&mut stream).await? != "+OK" {
            return Err(invalid("it refuses the password or the database"));
        }
    }
    Ok(stream)
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}

async fn send(stream: &mut BufStream<Box<dyn Stream>>, command: &[String]) -> Result<()> {
    let mut text = format!("*{}\r\n", command.len());
    for part in command {
        text.push_str(&format!("${}\r\n{part}\r\n", part.len()));
    }
    stream.write_all(text.as_bytes()).await?;
    stream.flush().await
}

/// Returns a line. An error of the server becomes an error.
async fn line(stream: &mut BufStream<Box<dyn Stream>>) -> Result<String> {
    let mut line = Vec::new();
    loop {
        let read = stream.fill_buf().await?;
        if read.is_empty() {
            return Err(ErrorKind::UnexpectedEof.into());
        }
        let end = read.iter().position(|byte| *byte == b'\n');
        let count = end.map_or(read.len(), |end| end + 1);
        line.extend_from_slice(&read[..count]);
        stream.consume(count);
        if line.len() > MAX_LINE {
            return Err(invalid("a line of its reply is too long"));
        }
        if end.is_some() {
            let text = String::from_utf8_lossy(&line).trim_end().to_owned();
            return match text.strip_prefix('-') {
                Some(error) => Err(invalid(error)),
                None => Ok(text),
            };
        }
    }
}

/// Reads an array of two numbers.
async fn numbers(stream: &mut BufStream<Box<dyn Stream>>) -> Result<[i64; 2]> {
    if line(stream).await? != "*2" {
        return Err(invalid("its reply has another form"));
    }
    let mut found = [0; 2];
    for number in &mut found {
        let text = line(stream).await?;
        let digits = text.strip_prefix(':').and_then(|digits| digits.parse().ok());
        *number = digits.ok_or_else(|| invalid("its reply has another form"))?;
    }
    Ok(found)
}
