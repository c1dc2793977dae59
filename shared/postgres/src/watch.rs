//! Looks at every message of the server before the library does, and cuts the connection where a
//! server asks for the password or sends more than a query of the product can need.
//!
//! The library answers every request for a password, keeps every notice and resolves every type it is
//! told of; a hostile server could use each of these against the product. Only the framing of the
//! protocol is read here (PostgreSQL documentation, section "Message Formats"), never a row.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};

use crate::error::PostgresError;

/// A row of a few mapped columns is far below it.
const MAX_ROW: u32 = 16 << 20;
/// Everything that is not a row: descriptions, errors.
const MAX_OTHER: u32 = 1 << 20;
/// Before the session is ready.
const MAX_STARTUP: u32 = 64 << 10;
/// Notices, settings and notifications of one session.
const MAX_ASIDES: u32 = 1_000;
/// Their bytes.
const MAX_ASIDE_BYTES: u64 = 1 << 20;
/// Rounds of one call: a few statements, and two for each type that is not built in.
const MAX_ROUNDS: u32 = 128;

/// How the server may make sure of the user.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Login {
    /// By SCRAM only, in which the password never leaves this machine.
    Scram,
    /// By a token that is sent in clear, inside verified TLS.
    Token,
    /// There is no password to protect.
    Open,
}

/// What one call may receive, shared with the task that reads.
#[derive(Debug)]
pub(crate) struct Bounds {
    bytes: AtomicU64,
    rounds: AtomicU32,
    refusal: OnceLock<PostgresError>,
}

impl Bounds {
    /// Bounds of everything until the first call.
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self {
            bytes: AtomicU64::new(u64::from(MAX_OTHER)),
            rounds: AtomicU32::new(MAX_ROUNDS),
            refusal: OnceLock::new(),
        })
    }

    /// Begins a call that may receive so many bytes.
    pub(crate) fn allow(&self, bytes: u64) {
        self.bytes.store(bytes, Ordering::Relaxed);
        self.rounds.store(MAX_ROUNDS, Ordering::Relaxed);
    }

    /// Why the connection was cut; the library knows only that it ended.
    pub(crate) fn refusal(&self) -> Option<&PostgresError> {
        self.refusal.get()
    }

    fn spend_bytes(&self, bytes: u64) -> Result<(), PostgresError> {
        let spend = |left: u64| left.checked_sub(bytes);
        let spent = self
            .bytes
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        spent
            .map(drop)
            .map_err(|_| cut_off("more than a query of this kind can return"))
    }

    fn spend_round(&self) -> Result<(), PostgresError> {
        let spend = |left: u32| left.checked_sub(1);
        let spent = self
            .rounds
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, spend);
        spent
            .map(drop)
            .map_err(|_| cut_off("types without end, or answers that nobody asked for"))
    }
}

/// Reads the framing.
#[derive(Debug)]
struct Framing {
    login: Login,
    bounds: Arc<Bounds>,
    head: Vec<u8>,
    skip: u64,
    proved: bool,
    ready: bool,
    asides: u32,
    aside_bytes: u64,
}

/// Tag, length, and the kind of an authentication message.
const HEAD: usize = 9;

impl Framing {
    fn new(login: Login, bounds: Arc<Bounds>) -> Self {
        Self {
            login,
            bounds,
            head: Vec::with_capacity(HEAD),
            skip: 0,
            proved: false,
            ready: false,
            asides: 0,
            aside_bytes: 0,
        }
    }

    fn read(&mut self, mut bytes: &[u8]) -> Result<(), PostgresError> {
        self.bounds
            .spend_bytes(u64::try_from(bytes.len()).unwrap_or(u64::MAX))?;
        while let Some((first, rest)) = bytes.split_first() {
            if self.skip > 0 {
                let skip = usize::try_from(self.skip).unwrap_or(usize::MAX);
                let here = skip.min(bytes.len());
                self.skip = self
                    .skip
                    .saturating_sub(u64::try_from(here).unwrap_or(u64::MAX));
                bytes = bytes.get(here..).unwrap_or_default();
                continue;
            }
            self.head.push(*first);
            bytes = rest;
            if let [tag, a, b, c, d] = *self.head.as_slice() {
                let length = u32::from_be_bytes([a, b, c, d]);
                self.begin(tag, length)?;
                if tag != b'R' {
                    self.head.clear();
                    self.skip = u64::from(length.saturating_sub(4));
                }
            } else if let [_, a, b, c, d, e, f, g, h] = *self.head.as_slice() {
                let length = u32::from_be_bytes([a, b, c, d]);
                self.authenticate(u32::from_be_bytes([e, f, g, h]))?;
                self.head.clear();
                self.skip = u64::from(length.saturating_sub(8));
            }
        }
        Ok(())
    }

    fn begin(&mut self, tag: u8, length: u32) -> Result<(), PostgresError> {
        let least = if tag == b'R' { 8 } else { 4 };
        let most = match tag {
            _ if !self.ready => MAX_STARTUP,
            b'D' | b'd' => MAX_ROW,
            _ => MAX_OTHER,
        };
        if length < least {
            return Err(cut_off("a message without its length"));
        }
        if length > most {
            return Err(cut_off("a message larger than any of its kind"));
        }
        match tag {
            b'R' if self.ready => Err(cut_off("a request to log in again")),
            b'Z' => {
                self.ready = true;
                self.bounds.spend_round()
            }
            b'N' | b'S' | b'A' => self.aside(length),
            _ => Ok(()),
        }
    }

    fn aside(&mut self, length: u32) -> Result<(), PostgresError> {
        self.asides = self.asides.saturating_add(1);
        self.aside_bytes = self.aside_bytes.saturating_add(u64::from(length));
        if self.asides > MAX_ASIDES || self.aside_bytes > MAX_ASIDE_BYTES {
            return Err(cut_off("notices without end"));
        }
        Ok(())
    }

    /// The kinds are those of the `Authentication…` messages.
    fn authenticate(&mut self, kind: u32) -> Result<(), PostgresError> {
        let ask = |what| Err(PostgresError::AuthMethod { what });
        match (kind, self.login) {
            (0, Login::Scram) if !self.proved => ask("no proof of the password"),
            (0 | 10 | 11, _) | (3, Login::Token) => Ok(()),
            (12, _) => {
                self.proved = true;
                Ok(())
            }
            (3, _) => ask("the password in clear"),
            (5, _) => ask("the password as an MD5 digest"),
            _ => ask("a way to log in that is not taken"),
        }
    }
}

const fn cut_off(what: &'static str) -> PostgresError {
    PostgresError::CutOff { what }
}

/// A stream of which every message is looked at.
#[derive(Debug)]
pub(crate) struct Watched<S> {
    stream: S,
    framing: Framing,
}

impl<S> Watched<S> {
    pub(crate) fn new(stream: S, login: Login, bounds: &Arc<Bounds>) -> Self {
        let framing = Framing::new(login, Arc::clone(bounds));
        Self { stream, framing }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let this = &mut *self;
        if let Some(refusal) = this.framing.bounds.refusal() {
            let error = io::Error::new(io::ErrorKind::InvalidData, refusal.clone());
            return Poll::Ready(Err(error));
        }
        match Pin::new(&mut this.stream).poll_read(context, buffer) {
            Poll::Ready(Ok(())) => {}
            other => return other,
        }
        let fresh = buffer.filled().get(before..).unwrap_or_default();
        let Err(refusal) = this.framing.read(fresh) else {
            return Poll::Ready(Ok(()));
        };
        // The library must not see what was refused: it would answer.
        buffer.set_filled(before);
        let error = io::Error::new(io::ErrorKind::InvalidData, refusal.clone());
        // The first reason is the one that counts.
        let _ = this.framing.bounds.refusal.set(refusal);
        Poll::Ready(Err(error))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

impl<S: TlsStream + Unpin> TlsStream for Watched<S> {
    fn channel_binding(&self) -> ChannelBinding {
        self.stream.channel_binding()
    }
}

/// TLS whose inside is watched.
pub(crate) struct WatchedTls<T> {
    pub(crate) tls: T,
    pub(crate) login: Login,
    pub(crate) bounds: Arc<Bounds>,
}

type Handshake<S, E> = Pin<Box<dyn Future<Output = Result<Watched<S>, E>> + Send>>;

impl<S, T> TlsConnect<S> for WatchedTls<T>
where
    T: TlsConnect<S>,
    T::Stream: Unpin,
    T::Future: Send + 'static,
    T::Error: 'static,
{
    type Stream = Watched<T::Stream>;
    type Error = T::Error;
    type Future = Handshake<T::Stream, T::Error>;

    fn connect(self, stream: S) -> Self::Future {
        let Self { tls, login, bounds } = self;
        let handshake = tls.connect(stream);
        Box::pin(async move { Ok(Watched::new(handshake.await?, login, &bounds)) })
    }
}

#[cfg(test)]
mod tests;
