//! The signature of a webhook's request, as the Standard Webhooks specification 1.0 lays it down.
//!
//! A receiver recomputes it with its copy of the key over `id.timestamp.body`, refuses a timestamp that is far from its
//! own clock, and so knows who sent the request, that it is whole, and that it is not an old one sent again.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use hmac::{Hmac, Mac};
use sha2::Sha256;

/// Header field of the message's identity: the same for every try, so that a receiver can tell repetitions.
pub const ID_HEADER: &str = "webhook-id";
/// Header field of the time of this try, Unix seconds.
pub const TIMESTAMP_HEADER: &str = "webhook-timestamp";
/// Header field of the signature.
pub const SIGNATURE_HEADER: &str = "webhook-signature";
/// What a secret begins with whose rest is the key in Base64; any other secret is the key as it stands.
pub const ENCODED_SECRET_PREFIX: &str = "whsec_";

/// The value of [`SIGNATURE_HEADER`] for one try.
#[must_use]
#[allow(clippy::missing_panics_doc, clippy::expect_used, reason = "HMAC takes a key of any length")]
pub fn signature(secret: &str, id: &str, at_unix_s: u64, body: &[u8]) -> String {
    let encoded =
        secret.strip_prefix(ENCODED_SECRET_PREFIX).and_then(|text| BASE64_STANDARD.decode(text).ok());
    let key = encoded.unwrap_or_else(|| secret.as_bytes().to_vec());
    let mac = Hmac::<Sha256>::new_from_slice(&key).expect("HMAC takes a key of any length");
    let mac = mac.chain_update(format!("{id}.{at_unix_s}.")).chain_update(body);
    format!("v1,{}", BASE64_STANDARD.encode(mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_example_is_met() {
        // The example of the specification's reference libraries.
        let signed = signature(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_614_265_330,
            b"{\"test\": 2432232314}",
        );
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn every_part_counts() {
        let signed = |secret, id, at, body: &[u8]| signature(secret, id, at, body);
        let one = signed("key", "a", 1, b"{}");
        for other in [
            signed("kez", "a", 1, b"{}"),
            signed("key", "b", 1, b"{}"),
            signed("key", "a", 2, b"{}"),
            signed("key", "a", 1, b"{ }"),
        ] {
            assert_ne!(one, other);
        }
        assert_eq!(signed("whsec_a2V5", "a", 1, b"{}"), one, "the key in Base64 is the same key");
        assert_ne!(signed("whsec_!", "a", 1, b"{}"), one, "what is no Base64 is the key itself");
    }
}
