//! Why a sign-in with a provider fails.

/// Why a sign-in with a provider fails. The text is for the administrator, in the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OidcError {
    #[error("the identity provider does not reply: {0}")]
    Unreachable(String),
    #[error("the {document} of the identity provider cannot be used: {problem}")]
    BadReply { document: &'static str, problem: String },
    /// The provider reports an error; the learner may have cancelled.
    #[error("the identity provider refused the sign-in: {0}")]
    Refused(String),
    /// The reply in the browser is not from the provider at which the sign-in began.
    #[error("the reply is from another identity provider: {0:?}")]
    OtherIssuer(String),
    #[error("the ID token is refused: {0}")]
    Token(#[from] TokenProblem),
}

impl OidcError {
    /// Returns true if the same sign-in may succeed later.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Unreachable(_))
    }
}

/// Why an ID token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenProblem {
    #[error("it is missing in the reply of the token endpoint")]
    Missing,
    #[error("it is not a signed JWT: {0}")]
    Malformed(String),
    #[error("it is encrypted")]
    Encrypted,
    #[error("the algorithm {0:?} is not one of RS256, ES256 and EdDSA")]
    Algorithm(String),
    #[error("it has extensions that must be understood")]
    Extensions,
    #[error("no key of the provider is the one with which it is signed")]
    UnknownKey,
    #[error("the signature is wrong")]
    Signature,
    #[error("the claim {0} is missing, or not of the expected kind")]
    Claim(&'static str),
    #[error("it is from another issuer: {0:?}")]
    Issuer(String),
    #[error("it is for another client")]
    Audience,
    #[error("it was issued to another client (azp)")]
    AuthorizedParty,
    #[error("it has expired")]
    Expired,
    #[error("it is from the future: check the clock of this computer")]
    Future,
    #[error("it belongs to another sign-in (nonce)")]
    Nonce,
}
