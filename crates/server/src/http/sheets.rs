//! The sign-in sheet of a class: a page for print with a one-time code for each student.
//!
//! Not here: the rules of codes (`carrel_people::codes`).

use axum::{
    Extension,
    extract::State,
    http::{HeaderMap, HeaderValue, Uri, header},
    response::{Html, IntoResponse, Response},
};
use carrel_people::codes;
use carrel_roster::ClassId;
use serde::Deserialize;
use utoipa::IntoParams;
use uuid::Uuid;

use super::{
    App,
    admin::DEFAULT_CODE_DAYS,
    api_error::ApiError,
    extract::{Path, Query, SignedInUser},
    start_page::{address, escaped, qr_code},
    tenants::BasePath,
};
use crate::{domain::people::ClassCode, password::random, store::StoreError};

const STYLE: &str = "\
body{font:12pt/1.4 system-ui,sans-serif;margin:1cm}\
main{display:grid;grid-template-columns:1fr 1fr;gap:.5cm}\
section{border:1px dashed #555;padding:.4cm;break-inside:avoid;display:flex;gap:.4cm;align-items:center}\
section svg{width:3.2cm;height:3.2cm;flex:none}\
h2{font-size:13pt;margin:0 0 .2cm;overflow-wrap:anywhere}\
p{margin:0}code{font-size:13pt;white-space:nowrap}";

/// Texts of the page: title, instruction, name of the field of the login, of the code.
struct Texts {
    lang: &'static str,
    dir: &'static str,
    title: &'static str,
    instruction: &'static str,
    login: &'static str,
    code: &'static str,
}

const TEXTS: [Texts; 3] = [
    Texts {
        lang: "en",
        dir: "ltr",
        title: "Sign-in codes",
        instruction: "Scan the square and open it with Carrel, or type the address into the app. Then type the login, \
            and the code instead of the password. Each code works once.",
        login: "Login",
        code: "Code",
    },
    Texts {
        lang: "fr",
        dir: "ltr",
        title: "Codes de connexion",
        instruction: "Scannez le carré et ouvrez-le avec Carrel, ou saisissez l’adresse dans l’application. Saisissez \
            ensuite l’identifiant, et le code à la place du mot de passe. Chaque code ne sert qu’une fois.",
        login: "Identifiant",
        code: "Code",
    },
    Texts {
        lang: "ar",
        dir: "rtl",
        title: "رموز الدخول",
        instruction: "امسح المربع وافتحه بتطبيق Carrel، أو اكتب العنوان في التطبيق. ثم اكتب اسم المستخدم، واكتب الرمز \
            مكان كلمة المرور. يُستعمل كل رمز مرة واحدة.",
        login: "اسم المستخدم",
        code: "الرمز",
    },
];

#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(rename_all = "camelCase", default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SheetQuery {
    /// Validity of the codes in days, 1 to 90; by default 7.
    days: Option<u32>,
    /// Language of the page: `en`, `fr` or `ar`.
    lang: String,
}

/// Issues a one-time code for each active student of a class, in place of earlier ones, and returns a page for print.
#[utoipa::path(post, path = "/api/v1/admin/classes/{classId}/sign-in-sheet", tag = "admin",
    params(("classId" = String, Path), SheetQuery),
    responses((status = 200, description = "a page with the codes, which cannot be shown again", content_type = "text/html"),
        (status = 404)))]
pub async fn sign_in_sheet(
    State(app): State<App>,
    caller: SignedInUser,
    Path(class): Path<Uuid>,
    Query(query): Query<SheetQuery>,
    base: Option<Extension<BasePath>>,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let texts = match query.lang.as_str() {
        "" => &TEXTS[0],
        lang => TEXTS
            .iter()
            .find(|texts| texts.lang == lang)
            .ok_or_else(|| ApiError::invalid(format!("lang {lang:?}: must be en, fr or ar")))?,
    };
    let days = query.days.unwrap_or(DEFAULT_CODE_DAYS);
    let tokens = app.tokens.clone();
    let new_code = move |user| {
        let bytes = random().map_err(|e| StoreError::Unavailable(e.to_string().into()))?;
        let text = codes::code_text(bytes);
        let hash = tokens.code_hash(user, &text);
        Ok((text, hash))
    };
    let now = app.clock.now_ms();
    let (name, issued) =
        app.store.issue_class_codes(caller.caller(), ClassId(class), new_code, days, now).await?;
    let nonce = carrel_store::new_id().simple().to_string();
    let address = address(&app, base.as_deref(), &uri, &headers).unwrap_or_default();
    let mut reply = Html(page(texts, &name, &address, &issued, &nonce)).into_response();
    let policy = format!("default-src 'none'; style-src 'nonce-{nonce}'; frame-ancestors 'none'");
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        reply.headers_mut().insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    reply.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(reply)
}

fn page(texts: &Texts, class: &str, address: &str, codes: &[ClassCode], nonce: &str) -> String {
    let Texts { lang, dir, title, instruction, login, code } = texts;
    let card = |issued: &ClassCode| {
        // The app opens the server of this link and shows the code.
        let link = format!(
            "carrel://enrol?server={}&token={}",
            crate::percent_encoded(address),
            issued.code
        );
        format!(
            "<section>{}<div><h2 dir=\"auto\">{}</h2><p>{login}: <bdi>{}</bdi></p>\
             <p>{code}: <code dir=\"ltr\">{}</code></p></div></section>",
            qr_code(&link),
            escaped(&issued.name),
            escaped(&issued.login),
            issued.code
        )
    };
    let cards: String = codes.iter().map(card).collect();
    let (class, address) = (escaped(class), escaped(address));
    format!(
        "<!doctype html><html lang=\"{lang}\" dir=\"{dir}\"><head><meta charset=\"utf-8\">\
         <title>{title}: {class}</title><style nonce=\"{nonce}\">{STYLE}</style></head>\
         <body><h1>{title}: <bdi>{class}</bdi></h1><p>{instruction}</p><p><bdi>{address}</bdi></p>\
         <main>{cards}</main></body></html>"
    )
}
