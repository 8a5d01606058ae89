//! One connection, on which commands are sent one after the other (RESP, the protocol of Redis).

use std::{
    io::{Error, ErrorKind, Result},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, BufStream},
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

type Connection = BufStream<Box<dyn Stream>>;

/// The expected form of a reply.
#[derive(Clone, Copy)]
enum Form {
    Numbers,
    /// At most this number of bytes, or nothing.
    Value(usize),
    Done,
}

enum Reply {
    Numbers([i64; 2]),
    Value(Option<Vec<u8>>),
    Done,
}

#[derive(Default)]
pub(crate) struct State {
    stream: Option<Connection>,
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
        let arguments: Vec<String> = arguments.iter().map(ToString::to_string).collect();
        let mut command = vec!["EVAL".as_bytes(), script.as_bytes(), b"1", key.as_bytes()];
        command.extend(arguments.iter().map(String::as_bytes));
        match self.run(address, &command, Form::Numbers).await? {
            Reply::Numbers(found) => Ok(found),
            _ => Err(other_form()),
        }
    }
    /// Returns the value of a key, or `None` if there is none. A value over `max` bytes is an error.
    pub(crate) async fn get(
        &mut self,
        address: &Address,
        key: &str,
        max: usize,
    ) -> Result<Option<Vec<u8>>> {
        match self.run(address, &[b"GET", key.as_bytes()], Form::Value(max)).await? {
            Reply::Value(found) => Ok(found),
            _ => Err(other_form()),
        }
    }
    /// Sets the value of a key for some time.
    pub(crate) async fn set(
        &mut self,
        address: &Address,
        key: &str,
        value: &[u8],
        ttl_ms: u64,
    ) -> Result<()> {
        let ttl = ttl_ms.to_string();
        let command = [b"SET", key.as_bytes(), value, b"PX", ttl.as_bytes()];
        self.run(address, &command, Form::Done).await.map(drop)
    }
    /// Sends a command and reads its reply, unless the last one failed a moment ago.
    async fn run(&mut self, address: &Address, command: &[&[u8]], form: Form) -> Result<Reply> {
        if self.failed.is_some_and(|at| at.elapsed() < PAUSE) {
            return Err(Error::new(ErrorKind::NotConnected, "it did not reply a moment ago"));
        }
        // Taken, so that a command that was cancelled in the middle closes the connection.
        let stream = self.stream.take();
        let work = async {
            let mut stream = match stream {
                Some(stream) => stream,
                None => connect(address).await?,
            };
            send(&mut stream, command).await?;
            let reply = reply(&mut stream, form).await?;
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

async fn connect(address: &Address) -> Result<Connection> {
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
        let parts: Vec<&[u8]> = command.iter().map(String::as_bytes).collect();
        send(&mut stream, &parts).await?;
        if line(&mut stream).await? != "+OK" {
            return Err(invalid("it refuses the password or the database"));
        }
    }
    Ok(stream)
}

fn invalid(text: &str) -> Error {
    Error::new(ErrorKind::InvalidData, text)
}

fn other_form() -> Error {
    invalid("its reply has another form")
}

async fn send(stream: &mut Connection, command: &[&[u8]]) -> Result<()> {
    stream.write_all(format!("*{}\r\n", command.len()).as_bytes()).await?;
    for part in command {
        stream.write_all(format!("${}\r\n", part.len()).as_bytes()).await?;
        stream.write_all(part).await?;
        stream.write_all(b"\r\n").await?;
    }
    stream.flush().await
}

async fn reply(stream: &mut Connection, form: Form) -> Result<Reply> {
    Ok(match form {
        Form::Numbers => Reply::Numbers(numbers(stream).await?),
        Form::Value(max) => Reply::Value(value(stream, max).await?),
        Form::Done if line(stream).await? == "+OK" => Reply::Done,
        Form::Done => return Err(other_form()),
    })
}

/// Reads a value of at most `max` bytes, or that there is none.
async fn value(stream: &mut Connection, max: usize) -> Result<Option<Vec<u8>>> {
    let head = line(stream).await?;
    let length = head.strip_prefix('$').ok_or_else(other_form)?;
    if length == "-1" {
        return Ok(None);
    }
    let length: usize = length.parse().map_err(|_| other_form())?;
    if length > max {
        return Err(invalid("a value is too long"));
    }
    let mut bytes = vec![0; length + 2];
    stream.read_exact(&mut bytes).await?;
    if bytes.split_off(length) != b"\r\n" {
        return Err(other_form());
    }
    Ok(Some(bytes))
}

/// Returns a line. An error of the server becomes an error.
async fn line(stream: &mut Connection) -> Result<String> {
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
async fn numbers(stream: &mut Connection) -> Result<[i64; 2]> {
    if line(stream).await? != "*2" {
        return Err(other_form());
    }
    let mut found = [0; 2];
    for number in &mut found {
        let text = line(stream).await?;
        let digits = text.strip_prefix(':').and_then(|digits| digits.parse().ok());
        *number = digits.ok_or_else(other_form)?;
    }
    Ok(found)
}
