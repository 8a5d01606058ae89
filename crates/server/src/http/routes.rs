//! The table of routes: the handler of each method and path, the access it requires, and its limit.
//!
//! The OpenAPI document, its `security` and the access tests are generated from this table. Method and path of a
//! route are written once, at its handler.

use axum::http::Method;
use carrel_rate_limits::RouteLimit;
use carrel_response_cache::ReplyKind;
use utoipa_axum::routes;

use super::{
    access::{Access, Entry, Permission},
    admin, assessments, auth, blobs, catalogue, codes, consents, courses, dictionaries, exercises,
    health, identities, invitations, learner, me, monitoring, oidc, openapi, passwords, progress,
    reports, roster_routes, sheets, staff_courses, staff_pages, start_page, sync, updates, uploads,
    vocabulary,
};
use crate::domain::reply_state::DependsOn;

/// Returns all routes. Not limited are what a device needs for its work (sync, blobs), whose size limits its requests,
/// sign-ins, which have limits of their own, and what is read without a sign-in by monitors and before a sign-in.
pub(super) fn table() -> Vec<Entry> {
    use Access::{Catalogue, Class, Course, Person, Public, SelfOr, SignedIn, Staff};
    vec![
        Entry::new(Public, routes!(start_page::start_page)),
        Entry::new(Public, routes!(health::health)),
        Entry::new(Public, routes!(health::live)),
        Entry::new(Public, routes!(health::ready)),
        Entry::new(Public, routes!(monitoring::metrics)),
        Entry::new(SignedIn, routes!(monitoring::client_actions)).limited(&RouteLimit::REQUESTS),
        Entry::new(Public, routes!(openapi::document)),
        Entry::new(Public, routes!(updates::file)),
        Entry::new(Public, routes!(staff_pages::without_slash)),
        Entry::new(Public, routes!(staff_pages::page)),
        Entry::new(Public, routes!(staff_pages::file)),
        Entry::new(Public, routes!(staff_pages::asset)),
        Entry::new(Public, routes!(catalogue::meta)),
        Entry::new(Public, routes!(auth::register)),
        Entry::new(Public, routes!(auth::login)),
        Entry::new(Public, routes!(auth::refresh)),
        Entry::new(Public, routes!(auth::logout)),
        Entry::new(Public, routes!(codes::redeem)),
        Entry::new(Public, routes!(oidc::begin_provider_sign_in)).limited(&RouteLimit::PROVIDER),
        Entry::new(Public, routes!(oidc::provider_callback)).limited(&RouteLimit::PROVIDER),
        Entry::new(Public, routes!(oidc::finish_provider_sign_in)).limited(&RouteLimit::PROVIDER),
        Entry::new(Public, routes!(passwords::request_reset)).limited(&RouteLimit::RESETS),
        Entry::new(Public, routes!(passwords::password_page, passwords::submit_password))
            .limited(&RouteLimit::RESETS),
        Entry::new(SignedIn, routes!(auth::adopt)),
        Entry::new(SignedIn, routes!(learner::enter_code)).limited(&RouteLimit::CODES),
        Entry::new(Catalogue, routes!(catalogue::courses))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::List, DependsOn::Audience),
        Entry::new(Catalogue, routes!(catalogue::course))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::CourseMeta, DependsOn::Course),
        Entry::new(Catalogue, routes!(catalogue::course_manifest))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::Course, DependsOn::Course),
        Entry::new(SignedIn, routes!(learner::enrol, learner::leave))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Catalogue, routes!(courses::search_courses))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::List, DependsOn::Counts),
        Entry::new(Catalogue, routes!(courses::course_content))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::Course, DependsOn::Course),
        Entry::new(SignedIn, routes!(courses::enroll)).limited(&RouteLimit::REQUESTS),
        Entry::new(SelfOr(Permission::ViewLearners), routes!(courses::courses_of_learner))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Progress, DependsOn::Person),
        Entry::new(Catalogue, routes!(catalogue::stories))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::List, DependsOn::Nothing),
        Entry::new(Catalogue, routes!(catalogue::story))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::Story, DependsOn::Nothing),
        Entry::new(Catalogue, routes!(catalogue::story_manifest))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::Story, DependsOn::Nothing),
        Entry::new(Catalogue, routes!(catalogue::search))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::List, DependsOn::Audience),
        Entry::new(Catalogue, routes!(exercises::exercises_of_story))
            .limited(&RouteLimit::COURSES)
            .cached(ReplyKind::Story, DependsOn::Nothing),
        Entry::new(Catalogue, routes!(blobs::blob)),
        Entry::new(Catalogue, routes!(dictionaries::dictionaries)).limited(&RouteLimit::COURSES),
        Entry::new(SignedIn, routes!(me::profile))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Profile, DependsOn::Account),
        Entry::new(SignedIn, routes!(me::report_device)).limited(&RouteLimit::REQUESTS),
        Entry::new(SignedIn, routes!(consents::own_consents, consents::record_own_consent))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(SignedIn, routes!(reports::export_own_data)).limited(&RouteLimit::EXPORTS),
        Entry::new(SignedIn, routes!(me::progress))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Progress, DependsOn::Courses),
        Entry::new(SignedIn, routes!(me::dashboard))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Progress, DependsOn::Courses),
        Entry::new(SignedIn, routes!(me::own_analytics))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Analytics, DependsOn::Rows),
        Entry::new(SignedIn, routes!(assessments::assessment))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Assessment, DependsOn::Quiz),
        Entry::new(SignedIn, routes!(assessments::submit_assessment))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(SignedIn, routes!(assessments::assessment_results))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Assessment, DependsOn::Quiz),
        Entry::new(SignedIn, routes!(vocabulary::vocabulary_progress))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Progress, DependsOn::Rows),
        Entry::new(SignedIn, routes!(vocabulary::vocabulary_recommendations))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Progress, DependsOn::Rows),
        Entry::new(SignedIn, routes!(learner::update_progress)).limited(&RouteLimit::REQUESTS),
        Entry::new(SelfOr(Permission::ViewLearners), routes!(learner::progress))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Progress, DependsOn::PersonInCourse),
        Entry::new(SignedIn, routes!(progress::own_progress))
            .limited(&RouteLimit::REQUESTS)
            .cached(ReplyKind::Progress, DependsOn::Rows),
        Entry::new(SignedIn, routes!(sync::push)),
        Entry::new(SignedIn, routes!(sync::pull)),
        Entry::new(SignedIn, routes!(sync::epoch)),
        Entry::new(SignedIn, routes!(sync::events)),
        Entry::new(Staff(Permission::ManageAccounts), routes!(admin::people))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(
            Person(Permission::ManageAccounts),
            routes!(admin::change_person, admin::delete_person),
        )
        .limited(&RouteLimit::REQUESTS),
        Entry::new(
            Person(Permission::ManageAccounts),
            routes!(consents::consents, consents::record_consent),
        )
        .limited(&RouteLimit::REQUESTS),
        Entry::new(Person(Permission::ManageAccounts), routes!(reports::export_person))
            .limited(&RouteLimit::EXPORTS),
        Entry::new(
            Person(Permission::ManageAccounts),
            routes!(
                identities::identities,
                identities::link_identity,
                identities::unlink_identities
            ),
        )
        .limited(&RouteLimit::REQUESTS),
        Entry::new(Person(Permission::IssueCodes), routes!(admin::issue_code))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Person(Permission::IssueCodes), routes!(invitations::invite_person))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Class(Permission::IssueCodes), routes!(invitations::invite_class))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(invitations::latest_mails))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ViewLearners), routes!(admin::classes))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(admin::audit))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(monitoring::monitoring))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(admin::retention))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(admin::maintenance))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(admin::cache))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(roster_routes::import))
            .limited(&RouteLimit::UPLOADS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(roster_routes::imports))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(roster_routes::undo))
            .limited(&RouteLimit::UPLOADS),
        Entry::new(Staff(Permission::ManageAccounts), routes!(roster_routes::report_of))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::EditCourses), routes!(staff_courses::courses))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::EditCourses), routes!(uploads::upload))
            .limited(&RouteLimit::UPLOADS)
            .with_upload(),
        Entry::new(Staff(Permission::EditCourses), routes!(uploads::report, uploads::cancel))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(
            Course(Permission::EditCourses),
            routes!(staff_courses::course, staff_courses::change),
        )
        .limited(&RouteLimit::REQUESTS),
        Entry::new(Course(Permission::EditCourses), routes!(staff_courses::discard_draft))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Course(Permission::EditCourses), routes!(staff_courses::publish_version))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Course(Permission::EditCourses), routes!(staff_courses::requests))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Course(Permission::EditCourses), routes!(staff_courses::decide))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Course(Permission::EditCourses), routes!(staff_courses::course_code))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Class(Permission::ViewLearners), routes!(reports::class_report))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Class(Permission::ViewLearners), routes!(reports::class_devices))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ViewLearners), routes!(reports::course_report))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ViewLearners), routes!(reports::trends))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ViewLearners), routes!(reports::engagement))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Staff(Permission::ViewLearners), routes!(reports::start_export))
            .limited(&RouteLimit::EXPORTS),
        // Everybody reads the exports that they started.
        Entry::new(SignedIn, routes!(reports::export, reports::cancel_export))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(SignedIn, routes!(reports::export_file)).limited(&RouteLimit::REQUESTS),
        Entry::new(Class(Permission::IssueCodes), routes!(sheets::sign_in_sheet))
            .limited(&RouteLimit::REQUESTS),
        Entry::new(Class(Permission::IssueCodes), routes!(admin::class_code))
            .limited(&RouteLimit::REQUESTS),
    ]
}

/// One route, for tests.
#[derive(Debug, Clone)]
pub struct Route {
    pub method: Method,
    /// Parameters are written as `{name}`.
    pub path: String,
    pub access: Access,
    /// Name of the limit of its requests.
    pub limit: Option<&'static str>,
}

/// Returns every route of the table.
pub fn all_routes() -> Vec<Route> {
    let mut all = Vec::new();
    for Entry { access, limit, paths, .. } in table() {
        let limit = limit.map(|limit| limit.name);
        for (path, item) in paths.paths {
            let operations = [
                (Method::GET, item.get),
                (Method::POST, item.post),
                (Method::PUT, item.put),
                (Method::PATCH, item.patch),
                (Method::DELETE, item.delete),
            ];
            for method in operations.into_iter().filter_map(|(m, operation)| operation.map(|_| m)) {
                all.push(Route { method, path: path.clone(), access, limit });
            }
        }
    }
    all
}
