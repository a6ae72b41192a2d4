//! JSON Web Signatures: claims signed by a private key, in the compact form of RFC 7515, section 7.1.
//!
//! In: the key in PEM (PKCS #8, PKCS #1 or SEC 1), the claims. Out: the text that is sent. Whether a key fits its algorithm is found out by signing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rustls::SignatureScheme;
use rustls::crypto::ring::sign::any_supported_type;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::{self, PemObject as _};
use serde_json::{Map, Value};

use crate::base::Secret;

/// A signature of RFC 7518, section 3.1, or RFC 8037.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum JwtAlgorithm {
    /// RSASSA-PKCS1-v1_5 with SHA-256.
    Rs256,
    /// With SHA-384.
    Rs384,
    /// With SHA-512.
    Rs512,
    /// RSASSA-PSS with SHA-256.
    Ps256,
    /// With SHA-384.
    Ps384,
    /// With SHA-512.
    Ps512,
    /// ECDSA with P-256.
    Es256,
    /// ECDSA with P-384.
    Es384,
    /// Ed25519.
    EdDsa,
}

/// Why nothing was signed.
#[derive(Debug, thiserror::Error)]
pub(crate) enum JwtFault {
    #[error("the private key is not in PEM: {0}")]
    NoPem(#[from] pem::Error),
    #[error("the private key is damaged: {0}")]
    BadKey(#[from] rustls::Error),
    #[error("the private key is of another kind than {0}")]
    OtherKind(&'static str),
}

impl JwtAlgorithm {
    /// Its name in the header of a JWT.
    pub(crate) fn name(self) -> &'static str {
        self.known().0
    }

    /// Its name in JWT and in TLS, and how many bytes each of an ECDSA signature's two numbers has (RFC 7518, section 3.4).
    fn known(self) -> (&'static str, SignatureScheme, Option<usize>) {
        use SignatureScheme as S;
        match self {
            Self::Rs256 => ("RS256", S::RSA_PKCS1_SHA256, None),
            Self::Rs384 => ("RS384", S::RSA_PKCS1_SHA384, None),
            Self::Rs512 => ("RS512", S::RSA_PKCS1_SHA512, None),
            Self::Ps256 => ("PS256", S::RSA_PSS_SHA256, None),
            Self::Ps384 => ("PS384", S::RSA_PSS_SHA384, None),
            Self::Ps512 => ("PS512", S::RSA_PSS_SHA512, None),
            Self::Es256 => ("ES256", S::ECDSA_NISTP256_SHA256, Some(32)),
            Self::Es384 => ("ES384", S::ECDSA_NISTP384_SHA384, Some(48)),
            Self::EdDsa => ("EdDSA", S::ED25519, None),
        }
    }

    /// `claims`, signed by the private key `pem`, whose name is `key_id`.
    ///
    /// # Errors
    /// A key that is none, or of another kind than this algorithm.
    pub(crate) fn sign(self, pem: &Secret, key_id: Option<&str>, claims: Map<String, Value>) -> Result<String, JwtFault> {
        let (name, scheme, number_bytes) = self.known();
        let mut header = Map::from_iter([("typ".to_owned(), "JWT".into()), ("alg".to_owned(), name.into())]);
        header.extend(key_id.map(|id| ("kid".to_owned(), id.into())));
        let [header, claims] = [header, claims].map(|part| URL_SAFE_NO_PAD.encode(Value::Object(part).to_string()));
        let message = format!("{header}.{claims}");
        let key = any_supported_type(&PrivateKeyDer::from_pem_slice(pem.expose().as_bytes())?)?;
        let signer = key.choose_scheme(&[scheme]).ok_or(JwtFault::OtherKind(name))?;
        let mut signature = signer.sign(message.as_bytes())?;
        if let Some(bytes) = number_bytes {
            signature = two_numbers(&signature, bytes).ok_or(JwtFault::OtherKind(name))?;
        }
        Ok(format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature)))
    }
}

/// The two numbers of an ECDSA signature, `bytes` each, which TLS has as a DER sequence (RFC 3279, section 2.2.3).
fn two_numbers(sequence: &[u8], bytes: usize) -> Option<Vec<u8>> {
    let [0x30, length, rest @ ..] = sequence else { return None };
    let mut rest = rest;
    if usize::from(*length) != rest.len() {
        return None;
    }
    let mut numbers = Vec::with_capacity(2 * bytes);
    for _ in 0..2 {
        let [0x02, length, behind @ ..] = rest else { return None };
        let (number, behind) = behind.split_at_checked(usize::from(*length))?;
        let digits = number.strip_prefix(&[0]).unwrap_or(number);
        numbers.resize(numbers.len() + bytes.checked_sub(digits.len())?, 0);
        numbers.extend(digits);
        rest = behind;
    }
    rest.is_empty().then_some(numbers)
}

#[cfg(test)]
mod tests {
    use ring::signature::{self, KeyPair, UnparsedPublicKey, VerificationAlgorithm};
    use serde_json::json;

    use super::*;

    const RSA: &str = include_str!("../../tests/fixtures/keys/jwt-rsa.pem");
    const EC: &str = include_str!("../../tests/fixtures/keys/jwt-ec.pem");

    fn claims() -> Map<String, Value> {
        Map::from_iter([("iss".to_owned(), json!("ä"))])
    }

    fn der(pem: &str) -> Vec<u8> {
        PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap().secret_der().to_vec()
    }

    fn pem(tag: &str, der: &[u8]) -> Secret {
        let text = base64::engine::general_purpose::STANDARD.encode(der);
        Secret::new(format!("-----BEGIN {tag}-----\n{text}\n-----END {tag}-----\n"))
    }

    /// Checks a signature made with `key` by the public key.
    fn check(algorithm: JwtAlgorithm, key: &Secret, public: &[u8], rules: &'static dyn VerificationAlgorithm) {
        let signed = algorithm.sign(key, Some("k"), claims()).unwrap();
        let (message, signature) = signed.rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(rules, public).verify(message.as_bytes(), &signature).unwrap();
        let parts: Vec<Value> =
            message.split('.').map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()).collect();
        assert_eq!(parts, [json!({"typ": "JWT", "alg": algorithm.name(), "kid": "k"}), json!({"iss": "ä"})]);
    }

    #[test]
    fn each_algorithm_makes_signatures_that_its_public_key_confirms() {
        use JwtAlgorithm as A;
        let rsa = Secret::new(RSA);
        let public = signature::RsaKeyPair::from_pkcs8(&der(RSA)).unwrap().public_key().as_ref().to_vec();
        check(A::Rs256, &rsa, &public, &signature::RSA_PKCS1_2048_8192_SHA256);
        check(A::Rs384, &rsa, &public, &signature::RSA_PKCS1_2048_8192_SHA384);
        check(A::Rs512, &rsa, &public, &signature::RSA_PKCS1_2048_8192_SHA512);
        check(A::Ps256, &rsa, &public, &signature::RSA_PSS_2048_8192_SHA256);
        check(A::Ps384, &rsa, &public, &signature::RSA_PSS_2048_8192_SHA384);
        check(A::Ps512, &rsa, &public, &signature::RSA_PSS_2048_8192_SHA512);
        let random = ring::rand::SystemRandom::new();
        // Numbers that begin with zeros come once in 256 signatures.
        for (algorithm, making, rules) in [
            (A::Es256, &signature::ECDSA_P256_SHA256_FIXED_SIGNING, &signature::ECDSA_P256_SHA256_FIXED),
            (A::Es384, &signature::ECDSA_P384_SHA384_FIXED_SIGNING, &signature::ECDSA_P384_SHA384_FIXED),
        ] {
            let pkcs8 = signature::EcdsaKeyPair::generate_pkcs8(making, &random).unwrap();
            let pair = signature::EcdsaKeyPair::from_pkcs8(making, pkcs8.as_ref(), &random).unwrap();
            let key = pem("PRIVATE KEY", pkcs8.as_ref());
            (0..600).for_each(|_| check(algorithm, &key, pair.public_key().as_ref(), rules));
        }
        let pkcs8 = signature::Ed25519KeyPair::generate_pkcs8(&random).unwrap();
        let pair = signature::Ed25519KeyPair::from_pkcs8(pkcs8.as_ref()).unwrap();
        check(A::EdDsa, &pem("PRIVATE KEY", pkcs8.as_ref()), pair.public_key().as_ref(), &signature::ED25519);
    }

    #[test]
    fn keys_as_older_tools_write_them_sign_too() {
        // PKCS #8 wraps what `BEGIN EC PRIVATE KEY` and `BEGIN RSA PRIVATE KEY` have alone: RFC 5208, section 5.
        let (ec, rsa) = (der(EC), der(RSA));
        let public = signature::RsaKeyPair::from_pkcs8(&rsa).unwrap().public_key().as_ref().to_vec();
        check(JwtAlgorithm::Rs256, &pem("RSA PRIVATE KEY", &rsa[26..]), &public, &signature::RSA_PKCS1_2048_8192_SHA256);
        let random = ring::rand::SystemRandom::new();
        let pair = signature::EcdsaKeyPair::from_pkcs8(&signature::ECDSA_P256_SHA256_FIXED_SIGNING, &ec, &random).unwrap();
        let key = pem("EC PRIVATE KEY", &ec[29..]);
        check(JwtAlgorithm::Es256, &key, pair.public_key().as_ref(), &signature::ECDSA_P256_SHA256_FIXED);
    }

    #[test]
    fn a_key_that_does_not_fit_signs_nothing() {
        let why = |algorithm: JwtAlgorithm, key: &str| algorithm.sign(&Secret::new(key), None, claims()).unwrap_err().to_string();
        assert_eq!(why(JwtAlgorithm::Es256, RSA), "the private key is of another kind than ES256");
        assert_eq!(why(JwtAlgorithm::Es384, EC), "the private key is of another kind than ES384");
        assert!(why(JwtAlgorithm::Rs256, &RSA.replace('M', "N")).contains("the private key is damaged"));
        assert!(why(JwtAlgorithm::Rs256, "nothing").contains("is not in PEM"));
        for broken in
            [&b""[..], b"\x30\x06\x02\x01\x01", b"\x30\x06\x02\x01\x01\x02\x09\x01", b"\x30\x07\x02\x01\x01\x02\x01\x01\x00"]
        {
            assert_eq!(two_numbers(broken, 32), None);
        }
    }
}
