use super::*;

fn message(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len() + 4).unwrap();
    [&[tag][..], &length.to_be_bytes(), body].concat()
}

fn framing(login: Login) -> Framing {
    let bounds = Bounds::new();
    bounds.allow(u64::MAX);
    Framing::new(login, bounds)
}

fn ask(kind: u32) -> Vec<u8> {
    message(b'R', &[&kind.to_be_bytes()[..], b"salt"].concat())
}

fn ready() -> Vec<u8> {
    message(b'Z', b"I")
}

#[test]
fn the_password_is_asked_for_by_scram_only() {
    for kind in [2, 3, 5, 6, 7, 8, 9, 99] {
        let refused = framing(Login::Scram).read(&ask(kind)).unwrap_err();
        assert!(
            matches!(refused, PostgresError::AuthMethod { .. }),
            "{kind}: {refused}"
        );
    }
    let mut scram = framing(Login::Scram);
    for kind in [10, 11, 12, 0] {
        scram.read(&ask(kind)).unwrap();
    }
    assert!(framing(Login::Scram).read(&ask(0)).is_err());
    assert!(framing(Login::Open).read(&ask(0)).is_ok());
    assert!(framing(Login::Open).read(&ask(3)).is_err());
    assert!(framing(Login::Token).read(&ask(3)).is_ok());
    assert!(framing(Login::Token).read(&ask(5)).is_err());
}

#[test]
fn nobody_logs_in_twice() {
    let mut framing = framing(Login::Open);
    framing.read(&ready()).unwrap();
    assert!(framing.read(&ask(0)).is_err());
}

#[test]
fn messages_are_found_in_any_pieces() {
    let bytes = [ask(10), ask(12), ask(0), ready(), message(b'D', &[7; 300])].concat();
    for size in [1, 2, 3, 7, 9, 64, bytes.len()] {
        let mut framing = framing(Login::Scram);
        for piece in bytes.chunks(size) {
            framing.read(piece).unwrap();
        }
        assert!(framing.ready && framing.proved && framing.skip == 0 && framing.head.is_empty());
    }
}

#[test]
fn sizes_are_bounded_by_the_head_alone() {
    let head = |tag: u8, length: u32| [&[tag][..], &length.to_be_bytes()].concat();
    assert!(
        framing(Login::Open)
            .read(&head(b'E', MAX_STARTUP + 1))
            .is_err()
    );
    for (tag, length) in [
        (b'D', MAX_ROW + 1),
        (b'd', u32::MAX),
        (b'T', MAX_OTHER + 1),
        (b'D', 3),
        (b'C', 0),
    ] {
        let mut framing = framing(Login::Open);
        framing.read(&ready()).unwrap();
        assert!(framing.read(&head(tag, length)).is_err(), "{tag} {length}");
    }
    let mut framing = framing(Login::Open);
    framing.read(&ready()).unwrap();
    framing.read(&head(b'D', MAX_ROW)).unwrap();
}

#[test]
fn notices_rounds_and_bytes_come_to_an_end() {
    let mut noisy = framing(Login::Open);
    let notice = message(b'N', b"");
    let heard = (0..2_000).find(|_| noisy.read(&notice).is_err());
    assert_eq!(heard, Some(1_000));

    let mut endless = framing(Login::Open);
    let rounds = (0..1_000).find(|_| endless.read(&ready()).is_err());
    assert_eq!(rounds, Some(128));

    let mut much = framing(Login::Open);
    much.bounds.allow(100);
    much.read(&[message(b'd', &[0; 45]), message(b'd', &[0; 45])].concat())
        .unwrap();
    assert!(much.read(&[0]).is_err());
    much.bounds.allow(100);
    assert!(much.read(b"d").is_ok());
}
