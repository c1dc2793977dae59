//! A server that speaks just enough of the protocol to misbehave at a chosen point.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// A message of the server.
pub(crate) fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

/// The head of a message whose body never comes whole.
pub(crate) fn head(tag: u8, length: u32) -> Vec<u8> {
    [&[tag][..], &length.to_be_bytes()].concat()
}

pub(crate) fn ask_for(kind: u32, more: &[u8]) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes()[..], more].concat())
}

pub(crate) fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

/// A description of columns by their type.
pub(crate) fn columns(types: &[u32]) -> Vec<u8> {
    let mut body = u16::try_from(types.len()).unwrap().to_be_bytes().to_vec();
    for oid in types {
        body.extend_from_slice(b"c\0\0\0\0\0\0\0");
        body.extend_from_slice(&oid.to_be_bytes());
        body.extend_from_slice(&(-1_i16).to_be_bytes());
        body.extend_from_slice(&(-1_i32).to_be_bytes());
        body.extend_from_slice(&0_i16.to_be_bytes());
    }
    message(b'T', &body)
}

pub(crate) fn row(cells: &[&[u8]]) -> Vec<u8> {
    let mut body = u16::try_from(cells.len()).unwrap().to_be_bytes().to_vec();
    for cell in cells {
        body.extend_from_slice(&u32::try_from(cell.len()).unwrap().to_be_bytes());
        body.extend_from_slice(cell);
    }
    message(b'D', &body)
}

/// What a statement without parameters and columns is described as.
pub(crate) fn described() -> Vec<u8> {
    [
        message(b'1', b""),
        message(b't', &[0, 0]),
        message(b'n', b""),
    ]
    .concat()
}

/// What the server does once the client has said who it is, or has asked.
#[derive(Clone)]
pub(crate) enum Act {
    /// Sends this.
    Say(Vec<u8>),
    /// Sends this again and again.
    Forever(Vec<u8>),
    /// Sends this one byte at a time.
    Trickle(Vec<u8>),
    /// Waits for a round of the client: everything up to Sync or a simple query.
    Hear,
    /// Describes types that are each derived from the next one.
    TypesWithoutEnd,
    /// Ends the connection.
    Close,
}

/// A running server.
pub(crate) struct Hostile {
    pub(crate) port: u16,
    heard: Arc<Mutex<Vec<u8>>>,
}

impl Hostile {
    /// Serves every connection alike; `tls` makes it accept TLS.
    pub(crate) async fn start(acts: Vec<Act>, tls: Option<TlsAcceptor>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let heard: Arc<Mutex<Vec<u8>>> = Arc::default();
        let ears = Arc::clone(&heard);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, acts.clone(), tls.clone(), Arc::clone(&ears)));
            }
        });
        Self { port, heard }
    }

    /// Everything that clients have sent after the TLS handshake.
    pub(crate) fn heard(&self) -> Vec<u8> {
        self.heard.lock().unwrap().clone()
    }
}

async fn serve(
    mut stream: TcpStream,
    acts: Vec<Act>,
    tls: Option<TlsAcceptor>,
    heard: Arc<Mutex<Vec<u8>>>,
) {
    let Some(tls) = tls else {
        let _ = play(stream, acts, heard).await;
        return;
    };
    let mut request = [0; 8];
    if stream.read_exact(&mut request).await.is_ok()
        && stream.write_all(b"S").await.is_ok()
        && let Ok(stream) = tls.accept(stream).await
    {
        let _ = play(stream, acts, heard).await;
    }
}

async fn play<S: AsyncRead + AsyncWrite + Unpin>(
    mut stream: S,
    acts: Vec<Act>,
    heard: Arc<Mutex<Vec<u8>>>,
) -> std::io::Result<()> {
    // The first message has no tag.
    hear(&mut stream, &heard, false).await?;
    for act in acts {
        match act {
            Act::Say(bytes) => stream.write_all(&bytes).await?,
            Act::Forever(bytes) => loop {
                stream.write_all(&bytes).await?;
            },
            Act::Trickle(bytes) => {
                for byte in bytes {
                    stream.write_all(&[byte]).await?;
                    stream.flush().await?;
                    tokio::time::sleep(Duration::from_millis(100)).await;
                }
            }
            Act::Hear => while hear(&mut stream, &heard, true).await? != b'S' {},
            Act::TypesWithoutEnd => types(&mut stream, &heard).await?,
            Act::Close => return stream.shutdown().await,
        }
        stream.flush().await?;
    }
    // Listens until the client goes, so that what it still says is known.
    loop {
        hear(&mut stream, &heard, true).await?;
    }
}

/// Reads one message of the client and returns its tag. A simple query counts as a Sync.
async fn hear<S: AsyncRead + Unpin>(
    stream: &mut S,
    heard: &Mutex<Vec<u8>>,
    tagged: bool,
) -> std::io::Result<u8> {
    let tag = if tagged { stream.read_u8().await? } else { 0 };
    let length = stream.read_u32().await?;
    let mut body = vec![0; usize::try_from(length.saturating_sub(4)).unwrap()];
    stream.read_exact(&mut body).await?;
    let mut heard = heard.lock().unwrap();
    heard.push(tag);
    heard.extend_from_slice(&body);
    Ok(if tag == b'Q' { b'S' } else { tag })
}

/// Answers each question about a type with a domain over another one.
async fn types<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut S,
    heard: &Mutex<Vec<u8>>,
) -> std::io::Result<()> {
    let mut oid = 100_000_u32;
    let mut parsed = false;
    loop {
        match hear(stream, heard, true).await? {
            b'P' => parsed = true,
            b'S' if parsed => {
                parsed = false;
                let first = oid == 100_000;
                let shape = if first {
                    columns(&[oid])
                } else {
                    columns(&[19, 18, 26, 26, 26, 19, 26])
                };
                let parameters = if first {
                    &[0, 0][..]
                } else {
                    &[0, 1, 0, 0, 0, 26]
                };
                oid += 1;
                let answer = [
                    message(b'1', b""),
                    message(b't', parameters),
                    shape,
                    ready(),
                ];
                stream.write_all(&answer.concat()).await?;
            }
            b'S' => {
                let zero = 0_u32.to_be_bytes();
                oid += 1;
                let next = oid.to_be_bytes();
                let cells: [&[u8]; 7] = [b"t", b"d", &zero, &zero, &next, b"s", &zero];
                let answer = [
                    message(b'2', b""),
                    row(&cells),
                    message(b'C', b"SELECT 1\0"),
                    ready(),
                ];
                stream.write_all(&answer.concat()).await?;
            }
            _ => {}
        }
    }
}
