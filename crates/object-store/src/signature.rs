//! Signatures of requests, version 4, as the S3 API specifies them.

use ring::{digest, hmac};

use crate::settings::Credentials;

/// The parts of a request that are signed.
pub(crate) struct Signed<'a> {
    pub method: &'a str,
    /// The path as it is sent: each part percent-encoded.
    pub path: &'a str,
    /// The query as it is sent: percent-encoded and sorted by name.
    pub query: &'a str,
    /// All header fields to sign, with names in lower case, sorted by name.
    pub headers: &'a [(String, String)],
    /// SHA-256 of the body, in hex.
    pub payload: &'a str,
}

/// Returns the value of the header `Authorization`. `time`: as in `x-amz-date`.
pub(crate) fn authorization(
    request: &Signed<'_>,
    credentials: &Credentials,
    region: &str,
    time: &str,
) -> String {
    let headers: String =
        request.headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
    let names: Vec<&str> = request.headers.iter().map(|(name, _)| name.as_str()).collect();
    let names = names.join(";");
    let Signed { method, path, query, payload, .. } = request;
    let canonical = format!("{method}\n{path}\n{query}\n{headers}\n{names}\n{payload}");
    let day = &time[..8];
    let scope = format!("{day}/{region}/s3/aws4_request");
    let text = format!("AWS4-HMAC-SHA256\n{time}\n{scope}\n{}", sha256(canonical.as_bytes()));
    let mut key = format!("AWS4{}", credentials.secret_key).into_bytes();
    for part in [day, region, "s3", "aws4_request"] {
        key = mac(&key, part.as_bytes());
    }
    let signature = hex(&mac(&key, text.as_bytes()));
    let id = &credentials.access_key;
    format!("AWS4-HMAC-SHA256 Credential={id}/{scope},SignedHeaders={names},Signature={signature}")
}

fn mac(key: &[u8], text: &[u8]) -> Vec<u8> {
    hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, key), text).as_ref().to_vec()
}

/// Returns the SHA-256 of the bytes in hex.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex(digest::digest(&digest::SHA256, bytes).as_ref())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Percent-encodes all but the unreserved characters, and slashes if `is_path`.
pub(crate) fn encode(text: &str, is_path: bool) -> String {
    let encode = |byte: u8| match byte {
        b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => {
            char::from(byte).to_string()
        }
        b'/' if is_path => "/".to_owned(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(encode).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const EMPTY: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

    /// The examples of "Signature Calculations for the Authorization Header" in the reference of Amazon S3.
    #[test]
    fn the_published_examples_have_their_signatures() {
        let credentials = Credentials {
            access_key: "AKIAIOSFODNN7EXAMPLE".into(),
            secret_key: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY".into(),
        };
        let text = sha256(b"Welcome to Amazon S3.");
        assert_eq!(sha256(b""), EMPTY);
        let path = format!("/{}", encode("test$file.text", true));
        type Example<'a> = (&'a str, &'a str, &'a str, Vec<(&'a str, &'a str)>, &'a str, &'a str);
        let examples: [Example<'_>; 4] = [
            (
                "GET",
                "/test.txt",
                "",
                vec![("range", "bytes=0-9")],
                EMPTY,
                "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41",
            ),
            (
                "PUT",
                &path,
                "",
                vec![
                    ("date", "Fri, 24 May 2013 00:00:00 GMT"),
                    ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
                ],
                &text,
                "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd",
            ),
            (
                "GET",
                "/",
                "lifecycle=",
                vec![],
                EMPTY,
                "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543",
            ),
            (
                "GET",
                "/",
                "max-keys=2&prefix=J",
                vec![],
                EMPTY,
                "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7",
            ),
        ];
        for (method, path, query, more, payload, signature) in examples {
            let time = "20130524T000000Z";
            let mut headers = vec![
                ("host", "examplebucket.s3.amazonaws.com"),
                ("x-amz-content-sha256", payload),
                ("x-amz-date", time),
            ];
            headers.extend(more);
            headers.sort_unstable();
            let headers: Vec<(String, String)> =
                headers.iter().map(|(n, v)| ((*n).to_owned(), (*v).to_owned())).collect();
            let request = Signed { method, path, query, headers: &headers, payload };
            let found = authorization(&request, &credentials, "us-east-1", time);
            let expected = "AWS4-HMAC-SHA256 \
                Credential=AKIAIOSFODNN7EXAMPLE/20130524/us-east-1/s3/aws4_request,SignedHeaders=";
            assert!(found.starts_with(expected), "{found}");
            assert!(found.ends_with(&format!("Signature={signature}")), "{method} {path}: {found}");
        }
    }

    #[test]
    fn all_but_unreserved_characters_are_encoded() {
        assert_eq!(encode("a/b c+é~.-_=", true), "a/b%20c%2B%C3%A9~.-_%3D");
        assert_eq!(encode("a/b", false), "a%2Fb");
    }
}
