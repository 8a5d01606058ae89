//! The dictionary packs that the server of an account offers.
//!
//! Not here: their downloads (`downloads`).

use carrel_bundle::{DictionaryBundle, DictionaryFacts, OfferedList, fingerprint};
use carrel_content::{download::State, library::Library};

use super::Dictionaries;
use crate::{ImportError, Result, account::AccountInfo};

/// Path of the list on the server.
pub(crate) const PATH: &str = "/api/dictionaries";

/// A pack that the server offers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OfferedDictionary {
    pub facts: DictionaryFacts,
    /// The installed pack with this id, if any.
    pub installed: Option<DictionaryFacts>,
    /// The download, if it was requested.
    pub download: Option<State>,
}

/// Reads the reply of a server. Entries with a wrong signature are left out: they could not be installed.
pub(crate) fn parse(body: &[u8]) -> Result<Vec<DictionaryBundle>> {
    let list: OfferedList = serde_json::from_slice(body).map_err(|e| {
        let problem = format!("the list of dictionaries is malformed: {e}");
        carrel_net::Error::BadReply { url: PATH.to_owned(), problem }
    })?;
    let checked = |header| match DictionaryBundle::checked(header) {
        Ok(bundle) => Some(bundle),
        Err(e) => {
            tracing::warn!(error = %e, "the server offers a dictionary that cannot be used");
            None
        }
    };
    Ok(list.dictionaries.into_iter().filter_map(checked).collect())
}

/// Checks that a pack may be installed from the server: it is signed with the server's key, with a key that the user
/// accepted or with that of an installed pack, and it does not replace the pack of another signer. Blocking.
pub(crate) fn check_key(
    library: &Library,
    info: &AccountInfo,
    dictionaries: &Dictionaries,
    bundle: &DictionaryBundle,
) -> Result<()> {
    let (key, id) = (&bundle.header.key, &bundle.facts.id);
    let (name, shown) = (bundle.facts.name.clone(), fingerprint(key));
    if dictionaries.all()?.iter().any(|found| found.facts.id == *id && found.key != *key) {
        return Err(ImportError::WrongKey { name, fingerprint: shown }.into());
    }
    let is_trusted = library.key_of(library.base_url())?.as_ref() == Some(key)
        || info.identity().is_some_and(|identity| identity.key == *key)
        || library.is_accepted(key)?
        || dictionaries.has_key(key)?;
    match is_trusted {
        true => Ok(()),
        false => Err(ImportError::NotAccepted { name, fingerprint: shown }.into()),
    }
}
