use ed25519_dalek::VerifyingKey;
use proptest::prelude::*;

use super::*;
use crate::plugin::PublicKey;

const COMPONENT: &[u8] = b"\0asm component";
const MANIFEST: &[u8] = b"name = 'a'";

fn statement() -> Statement {
    Statement::of(COMPONENT, MANIFEST)
}

fn policy(required: bool, keys: &[(&str, &PrivateKey)]) -> SignaturePolicy {
    let mut trusted = TrustedKeys::none();
    for (name, key) in keys {
        trusted.add((*name).to_owned(), key.public()).expect("new");
    }
    SignaturePolicy {
        required,
        keys: trusted,
    }
}

fn key() -> PrivateKey {
    PrivateKey::generate().expect("random bytes")
}

#[test]
fn what_a_trusted_key_signed_is_its() {
    let (release, other) = (key(), key());
    let file = SignatureFile::sign(statement(), &release).text();
    let policy = policy(true, &[("other", &other), ("release", &release)]);
    let signed = policy.judge(&statement(), Some(file.as_bytes()));
    let expected = Signed::Trusted {
        signer: "release".into(),
        key: release.public().id(),
    };
    assert_eq!(signed.expect("signed"), expected);
}

#[test]
fn a_changed_component_or_manifest_is_refused_and_named_though_nothing_is_required() {
    let release = key();
    let file = SignatureFile::sign(statement(), &release).text();
    // Whoever signed: a file that is there and wrong is wrong.
    for policy in [policy(false, &[("release", &release)]), policy(false, &[])] {
        for (component, manifest, changed) in [
            (&b"other"[..], MANIFEST, "component"),
            (COMPONENT, &b"name = 'b'"[..], "manifest"),
        ] {
            let other = Statement::of(component, manifest);
            let error = policy.judge(&other, Some(file.as_bytes()));
            let Err(SignatureError::Changed { what, .. }) = error else {
                panic!("{error:?}")
            };
            assert_eq!(what, changed);
        }
    }
}

#[test]
fn a_signature_that_its_key_did_not_make_is_false_though_nothing_is_required() {
    let (release, thief) = (key(), key());
    let mut file = SignatureFile::sign(statement(), &thief);
    file.key = release.public().id();
    let error = policy(false, &[("release", &release)])
        .judge(&statement(), Some(file.text().as_bytes()))
        .expect_err("refused");
    assert!(matches!(error, SignatureError::False { .. }), "{error}");
}

#[test]
fn the_digests_in_the_file_do_not_make_a_signature_of_other_bytes_good() {
    let release = key();
    let mut file = SignatureFile::sign(Statement::of(b"other", MANIFEST), &release);
    file.statement = statement();
    let error = policy(false, &[("release", &release)])
        .judge(&statement(), Some(file.text().as_bytes()))
        .expect_err("refused");
    assert!(matches!(error, SignatureError::False { .. }), "{error}");
}

#[test]
fn strangers_and_unsigned_plugins_are_refused_where_signatures_are_required_alone() {
    let (release, stranger) = (key(), key());
    let file = SignatureFile::sign(statement(), &stranger).text();
    let lenient = policy(false, &[("release", &release)]);
    let strict = policy(true, &[("release", &release)]);
    let key = stranger.public().id();

    let judged = lenient.judge(&statement(), Some(file.as_bytes()));
    assert_eq!(judged.expect("shown"), Signed::Unknown { key: key.clone() });
    let judged = lenient.judge(&statement(), None);
    assert_eq!(judged.expect("shown"), Signed::Unsigned);

    let error = strict.judge(&statement(), Some(file.as_bytes()));
    assert!(matches!(error, Err(SignatureError::Untrusted(id)) if id == key));
    let error = strict.judge(&statement(), None);
    assert!(matches!(error, Err(SignatureError::Missing)));
}

#[test]
fn a_file_has_one_form() {
    let text = SignatureFile::sign(statement(), &key()).text();
    assert!(SignatureFile::parse(text.as_bytes()).is_ok());
    let signature = text.lines().last().expect("a line");
    for (wrong, reason) in [
        (text.replace("version = 1", "version = 2"), "version"),
        (text.replace("version = 1\n", ""), "version"),
        (format!("{text}more = 1\n"), "unknown field"),
        (
            text.replace("component = \"sha256:", "component = \""),
            "component",
        ),
        (
            text.replace("manifest = \"sha256:", "manifest = \"sha256:0"),
            "manifest",
        ),
        (text.replace("key = \"", "key = \"0"), "key"),
        (
            text.replace(
                signature,
                &signature.to_uppercase().replace("SIGNATURE", "signature"),
            ),
            "signature",
        ),
        (
            text.replace("signature = \"", "signature = \"00"),
            "signature",
        ),
        (format!("{text}#{}", "x".repeat(MAX_FILE)), "too large"),
        ("\u{feff}".to_owned(), ""),
        (String::new(), ""),
    ] {
        let error = SignatureFile::parse(wrong.as_bytes()).expect_err(&wrong);
        assert!(matches!(error, SignatureError::Malformed(_)), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    }
    assert!(SignatureFile::parse(b"\xff\xfe").is_err());
}

#[test]
fn a_key_with_which_anybody_can_sign_is_no_key() {
    // The point of order one: with it any message has a signature that a lax check takes.
    let mut weak = [0; 32];
    weak[0] = 1;
    use ed25519_dalek::pkcs8::EncodePublicKey as _;
    let weak = VerifyingKey::from_bytes(&weak).expect("a point");
    let pem = weak.to_public_key_pem(Default::default()).expect("PEM");
    assert!(PublicKey::from_pem(&pem).is_err());
}

/// The example keys of RFC 8410, as OpenSSL writes them.
const RFC_PRIVATE: &str = "-----BEGIN PRIVATE KEY-----
MC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC
-----END PRIVATE KEY-----
";
const RFC_PUBLIC: &str = "-----BEGIN PUBLIC KEY-----
MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=
-----END PUBLIC KEY-----
";

#[test]
fn keys_of_openssl_are_read_and_ours_have_its_form() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("key.pem");
    std::fs::write(&path, RFC_PRIVATE).expect("write");
    let key = PrivateKey::read(&path).expect("a key");
    assert_eq!(key.pem().expect("PEM").as_str(), RFC_PRIVATE);
    assert_eq!(key.public().pem().expect("PEM"), RFC_PUBLIC);
    let public = PublicKey::from_pem(RFC_PUBLIC).expect("a key");
    assert_eq!(public, key.public());
}

/// By `openssl pkeyutl -sign -rawin` over the three lines: what is signed never changes.
#[test]
fn openssl_makes_the_same_signature() {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("key.pem");
    std::fs::write(&path, RFC_PRIVATE).expect("write");
    let key = PrivateKey::read(&path).expect("a key");
    assert_eq!(
        key.public().id().to_string(),
        "e744c0791320c3285460eddb523f14c8"
    );
    let file = SignatureFile::sign(statement(), &key);
    let of_openssl = "51e852b7e8e6a2a733584628aa18d2607f8ac8ca03d0c64e660ed9876252f0dd\
                      ae417fccb9dd334db8b71d6c403f7216ca1209744e5da834153d177e3bfa1f0c";
    assert_eq!(format!("{:x}", file.signature), of_openssl);
}

#[test]
fn keys_come_back_from_their_pem() {
    let (folder, key) = (tempfile::tempdir().expect("folder"), key());
    let path = folder.path().join("key.pem");
    std::fs::write(&path, key.pem().expect("PEM").as_bytes()).expect("write");
    let read = PrivateKey::read(&path).expect("a key");
    assert_eq!(read.public(), key.public());
    let pem = key.public().pem().expect("PEM");
    assert_eq!(PublicKey::from_pem(&pem).expect("a key"), key.public());
    assert!(!format!("{key:?}").contains("secret"));
}

proptest! {
    #[test]
    fn any_bytes_are_a_signature_or_refused(bytes: Vec<u8>) {
        if let Ok(file) = SignatureFile::parse(&bytes) {
            prop_assert_eq!(SignatureFile::parse(file.text().as_bytes()).expect("its own text"), file);
        }
    }

    #[test]
    fn no_changed_byte_leaves_a_signature_trusted(at in 0usize..1000, flip in 1u8..128) {
        let release = PrivateKey::generate().expect("random bytes");
        let file = SignatureFile::sign(statement(), &release);
        let mut bytes = file.text().into_bytes();
        let at = at % bytes.len();
        bytes[at] ^= flip;
        let judged = policy(true, &[("release", &release)]).judge(&statement(), Some(&bytes));
        // A change in the comment, or of white space, changes nothing that is signed.
        if judged.is_ok() {
            prop_assert_eq!(SignatureFile::parse(&bytes).expect("parsed"), file);
        }
    }
}
