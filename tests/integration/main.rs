//! Tests of the complete client (`Client`, as the UI uses it) with the real server. See docs/TESTING.md.

mod assessment;
mod browser_sign_in;
mod bundle_faults;
mod bundle_versions;
mod bundles;
mod catalogue_events;
mod client;
mod completion;
mod crash;
mod device_reports;
mod dictionaries;
mod dictionary_downloads;
mod enrolment;
mod exported;
mod fonts;
mod full_disk;
mod imports;
mod interrupted_downloads;
mod invalid_replies;
mod isolation;
#[cfg(unix)]
mod machine_folder;
#[cfg(unix)]
mod networks;
mod notes;
mod offline;
mod own_files;
mod policies;
mod prefetch;
mod refused_rows;
mod search;
mod server_restore;
mod servers;
mod space;
mod staff;
mod stories;
mod support;
mod traces;
