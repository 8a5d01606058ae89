//! Permissions: each route of the table is called by each rank about each kind of person and class, and the reply is the
//! one of `EXPECTED`. A route without an entry fails the test.

use axum::http::{Method, StatusCode};
use carrel_model::{UserId, wire::Role};
use carrel_people::permissions::Rank;
use carrel_roster::{Class, ClassId, ClassState, MemberRole, Membership};
use carrel_server::{
    domain::{accounts::NewAccount, sessions::NewSignIn},
    http::{
        auth::new_user,
        routes::{Route, all_routes},
    },
    store::{StoreError, tx::PersonKey},
};
use uuid::Uuid;

use super::support::{NOW, TestServer, device};

/// An account that is signed in.
#[derive(Debug, Clone)]
pub struct Member {
    pub id: UserId,
    pub token: String,
}

impl TestServer {
    /// Creates an account of this rank that is signed in, without hashing a password.
    pub async fn staff(&self, login: &str, rank: Rank) -> Member {
        let user = new_user(login, login, Role::Student).unwrap();
        let id = user.id;
        let token = format!("token of {id}");
        let sign_in = NewSignIn {
            id: Uuid::from_u128(id.0.as_u128() ^ 1),
            user: id,
            device: device(1),
            device_name: String::new(),
            access: (*blake3::hash(token.as_bytes()).as_bytes(), i64::MAX),
            refresh_expires_ms: i64::MAX,
        };
        let account = NewAccount { user, password: String::new() };
        self.data_dir.store.add_account(account, Some(sign_in), NOW).await.unwrap();
        let change = self.data_dir.store.write("test", move |tx| {
            let mut person = tx.person(PersonKey::Id(id))?.unwrap();
            person.role = rank.role();
            tx.put_person(&person)?;
            tx.set_operator(id, rank == Rank::Operator)
        });
        change.await.unwrap();
        Member { id, token }
    }
    /// Creates a class with an instructor and students.
    pub async fn class(&self, name: &str, instructor: &Member, students: &[&Member]) -> ClassId {
        let id = ClassId(carrel_store::new_id());
        let class = Class {
            id,
            source_id: None,
            name: name.to_owned(),
            courses: Vec::new(),
            state: ClassState::Active,
        };
        let mut members = vec![(instructor.id, MemberRole::Instructor)];
        members.extend(students.iter().map(|student| (student.id, MemberRole::Student)));
        let write = self.data_dir.store.write("test", move |tx| {
            tx.put_class(&class)?;
            for (person, role) in members {
                tx.add_membership(Membership { person, class: id, role })?;
            }
            Ok::<_, StoreError>(())
        });
        write.await.unwrap();
        id
    }
}

/// Two classes with their people, and staff of each rank. The first of a rank is the caller.
struct School {
    server: TestServer,
    callers: [Member; 4],
    mate: Member,
    stranger: Member,
    loner: Member,
    instructor: Member,
    administrator: Member,
    operator: Member,
    own_class: ClassId,
    other_class: ClassId,
}

impl School {
    async fn new() -> Self {
        let server = TestServer::new();
        let student = server.staff("sam", Rank::Student).await;
        let teacher = server.staff("tina", Rank::Instructor).await;
        let mate = server.staff("maya", Rank::Student).await;
        let stranger = server.staff("bob", Rank::Student).await;
        let instructor = server.staff("otto", Rank::Instructor).await;
        let own_class = server.class("5A", &teacher, &[&student, &mate]).await;
        let other_class = server.class("5B", &instructor, &[&stranger]).await;
        Self {
            callers: [
                student,
                teacher,
                server.staff("ada", Rank::Administrator).await,
                server.staff("olga", Rank::Operator).await,
            ],
            mate,
            stranger,
            loner: server.staff("lena", Rank::Student).await,
            instructor,
            administrator: server.staff("ann", Rank::Administrator).await,
            operator: server.staff("oscar", Rank::Operator).await,
            own_class,
            other_class,
            server,
        }
    }
    /// Returns the paths of a route for a caller, one for each column of `EXPECTED`.
    fn paths(&self, route: &Route, caller: &Member) -> Vec<String> {
        let path = route
            .path
            .replace("{id}", "x")
            .replace("{hash}", &"ab".repeat(32))
            .replace("{courseId}", "how-rivers-work");
        let unknown = Uuid::from_u128(77).to_string();
        if path.contains("{userId}") {
            let people = [
                caller,
                &self.mate,
                &self.stranger,
                &self.loner,
                &self.instructor,
                &self.administrator,
                &self.operator,
            ];
            let mut ids: Vec<String> = people.iter().map(|member| member.id.to_string()).collect();
            ids.push(unknown);
            ids.iter().map(|id| path.replace("{userId}", id)).collect()
        } else if path.contains("{classId}") {
            let ids = [self.own_class.to_string(), self.other_class.to_string(), unknown];
            ids.iter().map(|id| path.replace("{classId}", id)).collect()
        } else {
            vec![path]
        }
    }
}

/// For each route the replies to student, instructor, administrator and operator: `+` passed on to the handler, `-`
/// refused with 403. Columns of a route about a person: oneself, a student of one's own class, a student of another
/// class, a student without a class, an instructor, an administrator, an operator, an unknown id. Columns of a route
/// about a class: one's own, another, an unknown id.
///
/// Routes that everybody may call, about nobody but themselves, are in `EVERYBODY`.
const EXPECTED: &[(&str, [&str; 4])] = &[
    ("GET /api/progress/{userId}/{courseId}", ["+-------", "++------", "++++++++", "++++++++"]),
    ("GET /api/users/{userId}/courses", ["+-------", "++------", "++++++++", "++++++++"]),
    ("GET /api/v1/admin/people", ["-", "-", "+", "+"]),
    ("PATCH /api/v1/admin/people/{userId}", ["--------", "--------", "-+++++-+", "-+++++++"]),
    ("DELETE /api/v1/admin/people/{userId}", ["--------", "--------", "-+++++-+", "-+++++++"]),
    (
        "GET /api/v1/admin/people/{userId}/consents",
        ["--------", "--------", "-+++++-+", "-+++++++"],
    ),
    (
        "POST /api/v1/admin/people/{userId}/consents",
        ["--------", "--------", "-+++++-+", "-+++++++"],
    ),
    ("POST /api/v1/admin/people/{userId}/export", ["--------", "--------", "-+++++-+", "-+++++++"]),
    (
        "GET /api/v1/admin/people/{userId}/identities",
        ["--------", "--------", "-+++++-+", "-+++++++"],
    ),
    (
        "POST /api/v1/admin/people/{userId}/identities",
        ["--------", "--------", "-+++++-+", "-+++++++"],
    ),
    (
        "DELETE /api/v1/admin/people/{userId}/identities",
        ["--------", "--------", "-+++++-+", "-+++++++"],
    ),
    ("POST /api/v1/admin/people/{userId}/code", ["--------", "-+------", "-+++++-+", "-+++++++"]),
    (
        "POST /api/v1/admin/people/{userId}/invitation",
        ["--------", "-+------", "-+++++-+", "-+++++++"],
    ),
    ("POST /api/v1/admin/classes/{classId}/invitations", ["---", "+--", "+++", "+++"]),
    ("GET /api/v1/admin/mail", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/classes", ["-", "+", "+", "+"]),
    ("GET /api/v1/admin/audit", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/monitoring", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/cache", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/retention", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/maintenance", ["-", "-", "+", "+"]),
    ("POST /api/v1/admin/rosters", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/rosters/{runId}", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/roster-imports", ["-", "-", "+", "+"]),
    ("POST /api/v1/admin/roster-imports/{import}/undo", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/courses", ["-", "+", "+", "+"]),
    ("POST /api/v1/admin/courses/uploads", ["-", "+", "+", "+"]),
    ("GET /api/v1/admin/courses/uploads/{uploadId}", ["-", "+", "+", "+"]),
    ("DELETE /api/v1/admin/courses/uploads/{uploadId}", ["-", "+", "+", "+"]),
    // The course has no owner.
    ("GET /api/v1/admin/courses/{courseId}", ["-", "-", "+", "+"]),
    ("PATCH /api/v1/admin/courses/{courseId}", ["-", "-", "+", "+"]),
    ("DELETE /api/v1/admin/courses/{courseId}/draft", ["-", "-", "+", "+"]),
    ("POST /api/v1/admin/courses/{courseId}/versions/{version}/publish", ["-", "-", "+", "+"]),
    ("GET /api/v1/admin/courses/{courseId}/requests", ["-", "-", "+", "+"]),
    ("PUT /api/v1/admin/courses/{courseId}/enrolments/{learnerId}", ["-", "-", "+", "+"]),
    ("POST /api/v1/admin/courses/{courseId}/code", ["-", "-", "+", "+"]),
    ("POST /api/v1/admin/classes/{classId}/code", ["---", "+--", "+++", "+++"]),
    ("GET /api/classes/{classId}/report", ["---", "+--", "+++", "+++"]),
    ("GET /api/classes/{classId}/devices", ["---", "+--", "+++", "+++"]),
    // The instructor neither owns the course nor names a class.
    ("GET /api/courses/{id}/report", ["-", "-", "+", "+"]),
    ("GET /api/reports/trends", ["-", "+", "+", "+"]),
    ("GET /api/reports/engagement", ["-", "+", "+", "+"]),
    ("POST /api/exports", ["-", "+", "+", "+"]),
    ("POST /api/v1/admin/classes/{classId}/sign-in-sheet", ["---", "+--", "+++", "+++"]),
];

/// Public routes, and those of signed-in people about themselves.
const EVERYBODY: &[&str] = &[
    "GET /",
    "GET /health",
    "GET /health/live",
    "GET /health/ready",
    "GET /metrics",
    "POST /api/monitoring/transactions",
    "GET /api/openapi.json",
    "GET /updates/{name}",
    "GET /staff",
    "GET /staff/",
    "GET /staff/{name}",
    "GET /staff/assets/{name}",
    "GET /api/meta",
    "POST /api/auth/register",
    "POST /api/auth/login",
    "POST /api/auth/refresh",
    "POST /api/auth/logout",
    "POST /api/auth/code",
    "POST /api/auth/reset",
    "GET /password",
    "POST /password",
    "GET /api/auth/oidc/start",
    "GET /api/auth/oidc/callback",
    "POST /api/auth/oidc/redeem",
    "POST /api/auth/adopt",
    "POST /api/me/enrolment-codes",
    "GET /api/courses",
    "GET /api/courses/{id}",
    "GET /api/courses/{id}/manifest",
    "POST /api/courses/{id}/enrolment",
    "DELETE /api/courses/{id}/enrolment",
    "GET /api/courses/search",
    "GET /api/courses/{id}/content",
    "POST /api/courses/{id}/enroll",
    "GET /api/users/profile",
    "GET /api/me/progress",
    "PUT /api/me/device",
    "POST /api/me/export",
    "GET /api/exports/{exportId}",
    "DELETE /api/exports/{exportId}",
    "GET /api/exports/{exportId}/file",
    "GET /api/me/consents",
    "POST /api/me/consents",
    "GET /api/me/dashboard",
    "GET /api/me/analytics",
    "GET /api/assessments/{id}",
    "POST /api/assessments/{id}/submissions",
    "GET /api/assessments/{id}/results",
    "GET /api/vocabulary/progress",
    "GET /api/vocabulary/recommendations",
    "GET /api/progress",
    "GET /api/learning/exercises/story/{id}",
    "GET /api/stories",
    "GET /api/stories/{id}",
    "GET /api/stories/{id}/manifest",
    "GET /api/search",
    "GET /api/blobs/{hash}",
    "GET /api/dictionaries",
    "POST /api/progress/update",
    "POST /api/sync/push",
    "GET /api/sync/pull",
    "GET /api/sync/epoch",
    "GET /api/sync/events",
];

fn name(route: &Route) -> String {
    format!("{} {}", route.method, route.path)
}

#[tokio::test]
async fn each_route_answers_each_rank_about_each_subject_as_declared() {
    let mut school = School::new().await;
    school.server.publish().await;
    let mut wrong = Vec::new();
    for route in all_routes() {
        let expected = match EXPECTED.iter().find(|(entry, _)| *entry == name(&route)) {
            Some((_, expected)) => *expected,
            None if EVERYBODY.contains(&name(&route).as_str()) => ["+"; 4],
            None => panic!("{}: state who may call it, in EXPECTED or EVERYBODY", name(&route)),
        };
        for (rank, expected) in Rank::ALL.into_iter().zip(expected) {
            let caller = school.callers[rank as usize].clone();
            let mut cells = String::new();
            for path in school.paths(&route, &caller) {
                let reply =
                    school.server.call(route.method.clone(), &path, &caller.token, None).await;
                assert_ne!(reply.status, StatusCode::INTERNAL_SERVER_ERROR, "{route:?}");
                let is_refused = reply.status == StatusCode::FORBIDDEN
                    && reply.problem().detail == "your role lacks the required permission";
                cells.push(if is_refused { '-' } else { '+' });
            }
            if cells != expected {
                wrong.push(format!("{} as {rank:?}: {cells} instead of {expected}", name(&route)));
            }
            if route.method != Method::GET {
                school = School::new().await;
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn each_entry_names_a_route_and_each_parameter_is_guarded() {
    let routes = all_routes();
    let has = |entry: &str| routes.iter().any(|route| name(route) == entry);
    for entry in EXPECTED.iter().map(|(entry, _)| entry).chain(EVERYBODY) {
        assert!(has(entry), "{entry}");
    }
    for route in &routes {
        for parameter in ["userId", "classId"] {
            let is_named = route.path.contains(&format!("{{{parameter}}}"));
            assert_eq!(is_named, route.access.parameter() == Some(parameter), "{route:?}");
        }
        let is_course_of_staff = route.path.starts_with("/api/v1/admin/courses/{courseId}");
        assert_eq!(is_course_of_staff, route.access.parameter() == Some("courseId"), "{route:?}");
    }
}

/// Losing a rank takes effect with the next request, not with the next sign-in.
#[tokio::test]
async fn a_rank_that_was_taken_away_no_longer_counts() {
    let school = School::new().await;
    let uri = format!("/api/progress/{}/how-rivers-work", school.mate.id);
    school.server.publish().await;
    let teacher = school.callers[1].clone();
    assert_eq!(school.server.get(&uri, &teacher.token).await.status, StatusCode::OK);
    let id = teacher.id;
    let write = school.server.data_dir.store.write("test", move |tx| {
        let mut person = tx.person(PersonKey::Id(id))?.unwrap();
        person.role = Role::Student;
        tx.put_person(&person)
    });
    write.await.unwrap();
    assert_eq!(school.server.get(&uri, &teacher.token).await.status, StatusCode::FORBIDDEN);
}

/// An archived class gives its instructor nothing.
#[tokio::test]
async fn the_students_of_an_archived_class_are_not_reached() {
    let school = School::new().await;
    let uri = format!("/api/progress/{}/how-rivers-work", school.mate.id);
    school.server.publish().await;
    let class = school.own_class;
    let write = school.server.data_dir.store.write("test", move |tx| {
        let found = tx.class(carrel_server::store::tx::ClassKey::Id(class))?.unwrap();
        tx.put_class(&Class { state: ClassState::Archived, ..found })
    });
    write.await.unwrap();
    let token = &school.callers[1].token;
    assert_eq!(school.server.get(&uri, token).await.status, StatusCode::FORBIDDEN);
}
