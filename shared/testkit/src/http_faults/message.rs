//! Just enough of HTTP/1.1 to see where a message ends.

use std::io::{Error, ErrorKind, Result};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longest head that is believed.
const MAX_HEAD: usize = 64 * 1_024;

/// One request as it came.
#[derive(Debug, Clone)]
pub(super) struct Request {
    head: String,
    body: Vec<u8>,
}

impl Request {
    /// Reads one request: its head, then as many bytes as `content-length` says.
    pub(super) async fn read(client: &mut (impl AsyncRead + Unpin)) -> Result<Self> {
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            if head.len() > MAX_HEAD {
                return Err(Error::new(ErrorKind::InvalidData, "an endless head"));
            }
            head.push(client.read_u8().await?);
        }
        let head = String::from_utf8(head)
            .map_err(|_| Error::new(ErrorKind::InvalidData, "a head that is not text"))?;
        let mut request = Self {
            head,
            body: Vec::new(),
        };
        let length = request.header("content-length").unwrap_or("0").parse();
        let length = length.map_err(|_| Error::new(ErrorKind::InvalidData, "a strange length"))?;
        client.take(length).read_to_end(&mut request.body).await?;
        Ok(request)
    }

    fn header(&self, name: &str) -> Option<&str> {
        let mut lines = self.head.lines().skip(1);
        lines.find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then_some(value.trim())
        })
    }

    /// The last word of `x-amz-target`, or method and path.
    pub(super) fn operation(&self) -> String {
        if let Some(target) = self.header("x-amz-target") {
            let name = target.rsplit('.').next();
            return name.unwrap_or(target).to_owned();
        }
        let line = self.head.lines().next().unwrap_or_default();
        let mut words = line.split([' ', '?']);
        let method = words.next().unwrap_or_default();
        format!("{method} {}", words.next().unwrap_or_default())
    }

    /// Whether errors are told in JSON; S3 tells them in XML.
    pub(super) fn speaks_json(&self) -> bool {
        self.header("x-amz-target").is_some()
    }

    /// The token of a transaction.
    pub(super) fn token(&self) -> Option<String> {
        let body: serde_json::Value = serde_json::from_slice(&self.body).ok()?;
        Some(body.get("ClientRequestToken")?.as_str()?.to_owned())
    }

    /// Sends the request on a connection of its own and returns the whole reply.
    pub(super) async fn forward(&self, server: std::net::SocketAddr) -> Result<Reply> {
        let mut server = TcpStream::connect(server).await?;
        server.write_all(alone(&self.head).as_bytes()).await?;
        server.write_all(&self.body).await?;
        let mut bytes = Vec::new();
        server.read_to_end(&mut bytes).await?;
        let end = bytes
            .windows(4)
            .position(|window| window == b"\r\n\r\n")
            .ok_or_else(|| Error::new(ErrorKind::InvalidData, "a reply without a head"))?;
        let body = bytes.split_off(end.saturating_add(4));
        let head = String::from_utf8(bytes)
            .map_err(|_| Error::new(ErrorKind::InvalidData, "a head that is not text"))?;
        Ok(Reply { head, body })
    }
}

/// One reply.
#[derive(Debug)]
pub(super) struct Reply {
    head: String,
    body: Vec<u8>,
}

impl Reply {
    /// A reply of our own.
    pub(super) fn own(status: u16, kind: &str, body: &str) -> Self {
        let length = body.len();
        Self {
            head: format!(
                "HTTP/1.1 {status} Injected\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n"
            ),
            body: body.as_bytes().to_vec(),
        }
    }

    /// The status that the server answered with.
    pub(super) fn status(&self) -> Option<u16> {
        self.head.split(' ').nth(1)?.parse().ok()
    }

    /// The bytes for the client, who is told that the connection ends.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let mut bytes = alone(&self.head).into_bytes();
        bytes.extend_from_slice(&self.body);
        bytes
    }
}

/// A head that says that its connection carries one message.
fn alone(head: &str) -> String {
    let is_other = |line: &&str| {
        let name = line.split(':').next().unwrap_or_default();
        !["connection", "keep-alive"].contains(&name.to_ascii_lowercase().as_str())
    };
    let lines: Vec<&str> = head.trim_end().lines().filter(is_other).collect();
    format!("{}\r\nConnection: close\r\n\r\n", lines.join("\r\n"))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(text: &str) -> Request {
        Request::read(&mut text.as_bytes()).await.unwrap()
    }

    #[tokio::test]
    async fn an_operation_is_the_target_or_method_and_path() {
        let dynamodb = "POST / HTTP/1.1\r\nX-Amz-Target: DynamoDB_20120810.PutItem\r\ncontent-length: 31\r\n\r\n{\"ClientRequestToken\":\"abc\"}   next";
        let request = read(dynamodb).await;
        assert_eq!(request.operation(), "PutItem");
        assert_eq!(request.token().as_deref(), Some("abc"));
        assert_eq!(request.body.len(), 31, "not a byte of the next request");
        assert!(request.speaks_json());
        let s3 = read("PUT /bucket/a%20key?x-id=PutObject HTTP/1.1\r\nHost: h\r\n\r\n").await;
        assert_eq!(s3.operation(), "PUT /bucket/a%20key");
        assert_eq!(s3.token(), None);
    }

    #[test]
    fn a_connection_is_not_used_twice() {
        let head = "HTTP/1.1 200 OK\r\nConnection: keep-alive\r\nKeep-Alive: 5\r\nA: b\r\n\r\n";
        assert_eq!(
            alone(head),
            "HTTP/1.1 200 OK\r\nA: b\r\nConnection: close\r\n\r\n"
        );
    }
}
