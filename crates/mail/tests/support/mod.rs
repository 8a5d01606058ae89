//! A small SMTP server on a loopback address, also for the tests of `carrel-server`.

use std::{
    io,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    net::{TcpListener, TcpStream},
};
use tokio_rustls::TlsAcceptor;

/// What the server does with the next messages.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    Accept,
    /// Replies to each recipient with this line.
    Refuse(&'static str),
    /// Accepts connections and sends nothing.
    Stall,
    /// Stores a message, and closes the connection instead of confirming it.
    DropAfterMessage,
    /// Refuses the password.
    RefusePassword,
}

/// A running server. It ends with the runtime of the test.
#[derive(Clone)]
pub struct SmtpServer {
    pub address: SocketAddr,
    state: Arc<State>,
}

struct State {
    behaviour: Mutex<Behaviour>,
    messages: Mutex<Vec<String>>,
    /// Offers STARTTLS and refuses messages without it.
    tls: Option<TlsAcceptor>,
}

impl SmtpServer {
    pub async fn start(tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State {
            behaviour: Mutex::new(Behaviour::Accept),
            messages: Mutex::default(),
            tls,
        });
        let server = Self { address, state };
        let running = server.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let server = running.clone();
                tokio::spawn(async move { server.serve(stream).await.unwrap_or_default() });
            }
        });
        server
    }
    pub fn set(&self, behaviour: Behaviour) {
        *self.state.behaviour.lock().unwrap() = behaviour;
    }
    fn behaviour(&self) -> Behaviour {
        *self.state.behaviour.lock().unwrap()
    }
    /// Returns the messages that were stored, with the command of the recipient as their first line.
    pub fn messages(&self) -> Vec<String> {
        self.state.messages.lock().unwrap().clone()
    }

    async fn serve(&self, stream: TcpStream) -> io::Result<()> {
        if self.behaviour() == Behaviour::Stall {
            let _open = stream;
            return std::future::pending().await;
        }
        let mut stream = BufReader::new(stream);
        stream.write_all(b"220 mail.example ESMTP\r\n").await?;
        let wants_tls = self.talk(&mut stream, self.state.tls.is_some()).await?;
        if let (true, Some(tls)) = (wants_tls, &self.state.tls) {
            let mut encrypted = BufReader::new(tls.accept(stream.into_inner()).await?);
            self.talk(&mut encrypted, false).await?;
        }
        Ok(())
    }

    /// Replies to commands until the end of the connection. Returns true after STARTTLS.
    async fn talk(
        &self,
        stream: &mut BufReader<impl AsyncRead + AsyncWrite + Unpin>,
        needs_tls: bool,
    ) -> io::Result<bool> {
        let mut recipient = String::new();
        loop {
            let mut line = String::new();
            if stream.read_line(&mut line).await? == 0 {
                return Ok(false);
            }
            let command = line.trim_end().to_owned();
            let verb = command.split([' ', ':']).next().unwrap_or_default().to_uppercase();
            let reply = match verb.as_str() {
                "EHLO" if needs_tls => "250-mail.example\r\n250 STARTTLS",
                "EHLO" => "250-mail.example\r\n250-8BITMIME\r\n250 AUTH PLAIN LOGIN",
                "STARTTLS" if needs_tls => {
                    stream.write_all(b"220 begin\r\n").await?;
                    return Ok(true);
                }
                _ if needs_tls && verb != "QUIT" => "530 5.7.0 STARTTLS first",
                "AUTH" if self.behaviour() == Behaviour::RefusePassword => "535 5.7.8 no",
                "AUTH" => "235 2.7.0 welcome",
                "RCPT" => match self.behaviour() {
                    Behaviour::Refuse(reply) => reply,
                    _ => {
                        recipient.clone_from(&command);
                        "250 ok"
                    }
                },
                "DATA" => {
                    stream.write_all(b"354 go on\r\n").await?;
                    let mut message = format!("{recipient}\n");
                    loop {
                        let mut line = String::new();
                        if stream.read_line(&mut line).await? == 0 {
                            return Ok(false);
                        }
                        if line == ".\r\n" {
                            break;
                        }
                        message.push_str(&line);
                    }
                    self.state.messages.lock().unwrap().push(message);
                    if self.behaviour() == Behaviour::DropAfterMessage {
                        return Ok(false);
                    }
                    "250 stored"
                }
                "QUIT" => {
                    stream.write_all(b"221 bye\r\n").await?;
                    return Ok(false);
                }
                _ => "250 ok",
            };
            stream.write_all(format!("{reply}\r\n").as_bytes()).await?;
        }
    }
}
