//! Random requests of people of one tenant, with ids, codes and names of another: no reply contains anything of the other
//! tenant, and nothing changes there. `CARREL_LONG=1` sends 1,000,000 requests instead of 4,000; `CARREL_SEED=n` starts
//! from another seed.

use std::collections::BTreeMap;

use axum::{
    body::Body,
    http::{Method, Request, StatusCode},
};
use carrel_people::permissions::Rank;
use carrel_server::{
    http::routes::{Route, all_routes},
    store::tx::PersonKey,
};
use serde_json::{Value, json};

use super::{
    permissions::Member,
    support::{TestServer, codes, device, progress, push_body},
    tenants::{Schools, schools},
};

/// In every name and value of the other tenant that no request contains. Its ids and logins are sent, and a reply may
/// repeat them.
const MARK: &str = "zqsecret";

/// Pseudo-random numbers (splitmix64).
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((z ^ (z >> 31)) % n as u64) as usize
    }
    fn pick<'a, T>(&mut self, of: &'a [T]) -> &'a T {
        &of[self.below(of.len())]
    }
}

/// What requests are made of.
struct Parts {
    routes: Vec<Route>,
    /// Ids, logins and tokens of the other tenant.
    foreign: Vec<String>,
    own: Vec<String>,
    tokens: Vec<String>,
}

const JUNK: &[&str] = &[
    "",
    "0",
    "-1",
    "%",
    "%25",
    "how-rivers-work",
    "how-rivers-work/meanders/read",
    "' OR '1'='1",
    "x'; SET carrel.tenant = 2; --",
    "00000000-0000-0000-0000-000000000000",
    "../../hills",
    "\u{0}",
    "9223372036854775807",
    "true",
    "student",
    "é\u{301}",
];

impl Parts {
    fn text(&self, random: &mut Random) -> String {
        match random.below(10) {
            0..5 => random.pick(&self.foreign).clone(),
            5..8 => random.pick(&self.own).clone(),
            _ => (*random.pick(JUNK)).to_owned(),
        }
    }
    fn value(&self, random: &mut Random) -> Value {
        match random.below(6) {
            0 => json!(random.below(1_000_000)),
            1 => json!(random.below(2) == 0),
            2 => json!([self.text(random), self.text(random)]),
            3 => Value::Null,
            _ => json!(self.text(random)),
        }
    }
    /// Returns rows for a push, with the ids of another tenant's rows, learners and devices.
    fn rows(&self, random: &mut Random) -> Value {
        let rows: Vec<Value> = (0..1 + random.below(3))
            .map(|_| {
                let mut row = match random.below(3) {
                    0 => progress("how-rivers-work/meanders/read", random.below(10_001) as u32),
                    1 => json!({"type": "kv", "ns": "setting", "key": self.text(random),
                        "value": "\"x\"", "hlc": "01a0000000000000", "device": device(1)}),
                    _ => json!({"type": "attempt", "id": self.text(random), "quiz": "c/q",
                        "quizHash": "ab".repeat(32), "startedMs": 1_790_000_000_000_i64}),
                };
                row["userId"] = json!(self.text(random));
                row
            })
            .collect();
        push_body(&rows)
    }
    fn body(&self, path: &str, random: &mut Random) -> (&'static str, String) {
        const KEYS: &[&str] = &[
            "login",
            "code",
            "id",
            "userId",
            "deviceId",
            "refreshToken",
            "token",
            "storyId",
            "completionPercentage",
            "timeSpent",
            "kind",
            "item",
            "percent",
            "role",
            "rank",
            "owner",
            "state",
            "classes",
            "course",
            "courses",
            "enrolment",
            "for",
            "status",
            "name",
            "value",
        ];
        if path.ends_with("rosters") {
            let mut table = String::from("carrel id,login,name,class\n");
            for _ in 0..3 {
                let row: Vec<String> = (0..4)
                    .map(|_| self.text(random).replace([',', '"', '\n', '\0'], " "))
                    .collect();
                table += &(row.join(",") + "\n");
            }
            return ("text/csv", table);
        }
        let body = if path.ends_with("push") {
            self.rows(random)
        } else {
            let keys: Vec<&str> = (0..random.below(5)).map(|_| *random.pick(KEYS)).collect();
            Value::Object(keys.iter().map(|k| ((*k).to_owned(), self.value(random))).collect())
        };
        ("application/json", body.to_string())
    }
    fn request(&self, random: &mut Random) -> (String, Request<Body>) {
        const QUERY: &[&str] = &[
            "q", "since", "limit", "page", "pageSize", "class", "after", "rank", "state",
            "courseId", "kind", "lang", "category", "offMin", "lesson", "seed", "userId", "tenant",
        ];
        let route = random.pick(&self.routes);
        let encoded = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        let mut path: String = route
            .path
            .split('/')
            .map(
                |part| {
                    if part.starts_with('{') { encoded(&self.text(random)) } else { part.into() }
                },
            )
            .collect::<Vec<_>>()
            .join("/");
        let prefix = match random.below(20) {
            0 => "/t/hills",
            1 => "/t/rivers/../hills",
            2 => "/t/rivers%2F..%2Fhills",
            3 => "",
            _ => "/t/rivers",
        };
        path = format!("{prefix}{path}");
        for n in 0..random.below(3) {
            let (key, text) = (*random.pick(QUERY), self.text(random));
            path += &format!("{}{key}={}", if n == 0 { '?' } else { '&' }, encoded(&text));
        }
        let mut request = Request::builder().method(route.method.clone()).uri(&path);
        if random.below(20) > 0 {
            request =
                request.header("authorization", format!("Bearer {}", random.pick(&self.tokens)));
        }
        if random.below(10) == 0 {
            request =
                request.header("host", *random.pick(&["hills.example", "rivers.example", "x"]));
        }
        let body = if matches!(route.method, Method::GET | Method::DELETE) {
            Body::empty()
        } else {
            let (media_type, text) = self.body(&route.path, random);
            request = request.header("content-type", media_type);
            Body::from(text)
        };
        (format!("{} {path}", route.method), request.body(body).unwrap())
    }
}

/// Fills the other tenant, and returns its ids, logins and tokens. Every text that a reply could contain has the mark.
async fn fill(hills: &TestServer) -> Vec<String> {
    let mut foreign = Vec::new();
    let mut members = Vec::new();
    for rank in [Rank::Student, Rank::Instructor, Rank::Administrator, Rank::Operator] {
        let login = format!("{rank:?}-of-hills").to_lowercase();
        let member = hills.staff(&login, rank).await;
        let id = member.id;
        let named = hills.data_dir.store.write("test", move |tx| {
            let mut person = tx.person(PersonKey::Id(id))?.unwrap();
            person.name = format!("{MARK} name");
            person.source_id = Some(format!("{MARK} {id}"));
            tx.put_person(&person)
        });
        named.await.unwrap();
        foreign.extend([login, id.to_string(), member.token.clone()]);
        members.push(member);
    }
    let class = hills.class(&format!("{MARK} class"), &members[1], &[&members[0]]).await;
    foreign.push(class.to_string());
    for (n, member) in members.iter().enumerate() {
        let id = device(0x0f0f_0f0f + n as u128);
        let rows = [
            progress(&format!("how-rivers-work/{MARK}/read"), 9_000),
            json!({"type": "kv", "ns": "setting", "key": MARK, "value": format!("\"{MARK}\""),
                "hlc": "01a0000000000000", "device": device(1)}),
            json!({"type": "attempt", "id": id, "quiz": format!("{MARK}/q"),
                "quizHash": "ab".repeat(32), "startedMs": 1_790_000_000_000_i64}),
        ];
        let pushed: Value = hills.push(&member.token, &rows).await.ok();
        assert_eq!(codes(&pushed), ["ok", "ok", "ok"]);
        foreign.push(id.to_string());
    }
    // The mark is found where it may be read.
    let own = hills.get("/api/v1/admin/people", &members[2].token).await;
    assert!(String::from_utf8_lossy(&own.body).contains(MARK));
    foreign
}

/// Returns the digest of each table of a tenant.
fn digests(tenant: &TestServer) -> BTreeMap<String, String> {
    let copy = tempfile::tempdir().unwrap();
    let into = copy.path().join("copy");
    std::fs::create_dir(&into).unwrap();
    let config = &tenant.data_dir.config;
    config.engine.copy(&config.data_dir, &into).unwrap();
    let digest = carrel_store::sqlite::digest(&into).unwrap();
    digest.into_iter().map(|(table, digest)| (table, format!("{digest:?}"))).collect()
}

#[tokio::test]
async fn random_requests_reach_nothing_of_another_tenant() {
    let count: u64 = if std::env::var_os("CARREL_LONG").is_some() { 1_000_000 } else { 4_000 };
    let seed = std::env::var("CARREL_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let Schools { server, rivers, hills } = schools();
    hills.publish().await;
    rivers.publish().await;
    let foreign = fill(&hills).await;
    // Passwords are hashed on purpose slowly; `tenants` has tests of them.
    let is_slow = |path: &str| {
        ["login", "register", "code", "password"].iter().any(|end| path.ends_with(end))
            || path.contains("oidc")
            || path.contains("sign-in-sheet")
    };
    let routes: Vec<Route> = all_routes().into_iter().filter(|r| !is_slow(&r.path)).collect();
    assert!(routes.len() > 40, "{}", routes.len());
    let mut parts = Parts { routes, foreign, own: Vec::new(), tokens: Vec::new() };
    let before = digests(&hills);
    let mut random = Random(seed);
    let mut answers: BTreeMap<u16, u64> = BTreeMap::new();
    for n in 0..count {
        // Some requests end sign-ins or delete accounts of the own tenant.
        if n % 500 == 0 {
            let members = own_people(&rivers, n).await;
            parts.own = members.iter().map(|member| member.id.to_string()).collect();
            parts.tokens = members.into_iter().map(|member| member.token).collect();
            parts.tokens.push(parts.foreign[2].clone());
        }
        let (what, request) = parts.request(&mut random);
        let token_of_hills = request
            .headers()
            .get("authorization")
            .is_some_and(|value| value.as_bytes().ends_with(parts.foreign[2].as_bytes()));
        // With the token of the other tenant at the other tenant, its own person asks.
        if token_of_hills && what.contains("/t/hills") {
            continue;
        }
        let reply = server.send(request).await;
        *answers.entry(reply.status.as_u16()).or_default() += 1;
        let text = String::from_utf8_lossy(&reply.body);
        assert!(!reply.status.is_server_error(), "seed {seed}, request {n}: {what}: {text}");
        assert!(!text.contains(MARK), "seed {seed}, request {n}: {what}: {text}");
    }
    eprintln!("{count} requests: {answers:?}");
    let answered = |status: StatusCode| answers.get(&status.as_u16()).copied().unwrap_or(0);
    assert!(answered(StatusCode::OK) > count / 20, "too few requests are valid: {answers:?}");
    assert_eq!(digests(&hills), before);
    assert!(before.len() > 20, "{before:?}");
}

async fn own_people(rivers: &TestServer, n: u64) -> Vec<Member> {
    let mut members = Vec::new();
    for rank in [Rank::Student, Rank::Instructor, Rank::Administrator, Rank::Operator] {
        members.push(rivers.staff(&format!("{rank:?}-{n}").to_lowercase(), rank).await);
    }
    rivers.class(&format!("class {n}"), &members[1], &[&members[0]]).await;
    members
}
