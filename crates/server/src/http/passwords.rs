//! New passwords by mail: the request for a link, and the page of the link, in English, French and Arabic.
//!
//! The reply to a request does not tell whether there is an account, an address, or a mail server that works: the account
//! is looked up after the reply.
//!
//! Not here: who gets a message (`carrel_people::mail`), sending (`crate::mail`).

use axum::{
    Json as Reply,
    body::Bytes,
    extract::State,
    http::{HeaderMap, StatusCode},
    response::Response,
};
use carrel_model::UserId;
use serde::{Deserialize, Serialize};
use url::form_urlencoded;
use utoipa::{IntoParams, ToSchema};

use super::{
    App,
    api_error::ApiError,
    auth::{check_password, login_key, rate_limited},
    extract::{Json, Peer, Query},
    pages,
    start_page::escaped,
};

/// Maximum length of a login or an address, in bytes.
const MAX_TYPED: usize = 300;

#[derive(Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ResetRequest {
    /// Login or e-mail address.
    login: String,
}

/// The request was received. Nothing is told about accounts.
#[derive(Serialize, ToSchema)]
pub struct ResetReply {}

/// Query of the link in a message.
#[derive(Default, Deserialize, IntoParams)]
#[serde(default)]
#[into_params(parameter_in = Query)]
pub struct LinkQuery {
    account: String,
    code: String,
}

struct PasswordTexts {
    title: &'static str,
    type_login: &'static str,
    login: &'static str,
    request: &'static str,
    requested: &'static str,
    password: &'static str,
    set: &'static str,
    rule: &'static str,
    done: &'static str,
    sign_in: &'static str,
    expired: &'static str,
    again: &'static str,
    limited: &'static str,
}

/// By language (`pages::LANGUAGES`).
const TEXTS: [PasswordTexts; 3] = [
    PasswordTexts {
        title: "New password",
        type_login: "Type your login or your e-mail address. If the school has an address for your account, you get a \
            message with a link.",
        login: "Login or e-mail address",
        request: "Send the link",
        requested: "If there is an account with an e-mail address, a message is on its way. It can take some minutes.",
        password: "New password",
        set: "Set the password",
        rule: "The password must have 8 to 200 characters.",
        done: "The new password is set.",
        sign_in: "You were signed out on all devices. Sign in in the Carrel app with this login:",
        expired: "This link has expired or was used, or there is a newer one.",
        again: "Request a new link",
        limited: "There were too many attempts. Try again later.",
    },
    PasswordTexts {
        title: "Nouveau mot de passe",
        type_login: "Saisissez votre identifiant ou votre adresse e-mail. Si l’école connaît une adresse pour votre \
            compte, vous recevrez un message avec un lien.",
        login: "Identifiant ou adresse e-mail",
        request: "Envoyer le lien",
        requested: "S’il existe un compte avec une adresse e-mail, un message est en route. Cela peut prendre quelques \
            minutes.",
        password: "Nouveau mot de passe",
        set: "Enregistrer le mot de passe",
        rule: "Le mot de passe doit avoir de 8 à 200 caractères.",
        done: "Le nouveau mot de passe est enregistré.",
        sign_in: "Vous avez été déconnecté de tous les appareils. Connectez-vous dans l’application Carrel avec cet \
            identifiant :",
        expired: "Ce lien a expiré ou a déjà servi, ou il en existe un plus récent.",
        again: "Demander un nouveau lien",
        limited: "Il y a eu trop de tentatives. Réessayez plus tard.",
    },
    PasswordTexts {
        title: "كلمة مرور جديدة",
        type_login: "اكتب اسم الدخول أو عنوان بريدك الإلكتروني. إذا كان لدى المدرسة عنوان لحسابك فستصلك رسالة فيها رابط.",
        login: "اسم الدخول أو البريد الإلكتروني",
        request: "أرسل الرابط",
        requested: "إذا كان هناك حساب له عنوان بريد إلكتروني فستصل رسالة إليه. قد يستغرق ذلك بضع دقائق.",
        password: "كلمة المرور الجديدة",
        set: "احفظ كلمة المرور",
        rule: "يجب أن تتكون كلمة المرور من 8 إلى 200 حرف.",
        done: "حُفظت كلمة المرور الجديدة.",
        sign_in: "سُجّل خروجك من جميع الأجهزة. سجّل الدخول في تطبيق Carrel باسم الدخول هذا:",
        expired: "انتهت صلاحية هذا الرابط أو سبق استعماله، أو يوجد رابط أحدث.",
        again: "اطلب رابطًا جديدًا",
        limited: "كثُرت المحاولات. حاول لاحقًا.",
    },
];

/// Sends a link for a new password to the address of an account. The reply is the same for every login and address.
#[utoipa::path(post, path = "/api/auth/reset", tag = "auth", request_body = ResetRequest,
    responses((status = 202, body = ResetReply), (status = 404, description = "the server sends no mail"),
        (status = 429)))]
pub async fn request_reset(
    State(app): State<App>,
    headers: HeaderMap,
    Json(request): Json<ResetRequest>,
) -> Result<(StatusCode, Reply<ResetReply>), ApiError> {
    count_and_request(&app, request.login, pages::language(&headers)).await?;
    Ok((StatusCode::ACCEPTED, Reply(ResetReply {})))
}

/// Counts a request by what was typed, and continues after the reply.
async fn count_and_request(app: &App, typed: String, language: usize) -> Result<(), ApiError> {
    require_mail(app)?;
    let now = app.clock.now_ms();
    app.resets.take(&login_key(&typed), now).await.map_err(rate_limited)?;
    if typed.len() > MAX_TYPED {
        return Ok(());
    }
    let (app, lang) = (app.clone(), pages::LANGUAGES[language].0.to_owned());
    let tasks = app.data.tasks.clone();
    tasks.spawn(async move {
        match app.store.request_password_reset(typed, lang, app.tokens.clone(), now).await {
            Ok(0) => {}
            Ok(_) => app.send_mail_soon(),
            Err(e) => tracing::error!(error = %e, "failed to store a message"),
        }
    });
    Ok(())
}

/// Refuses a request on a server without mail.
pub(super) fn require_mail(app: &App) -> Result<(), ApiError> {
    match app.data.mailer {
        Some(_) => Ok(()),
        None => Err(ApiError {
            hint: "add the table [mail] to the configuration",
            ..ApiError::not_found("this server sends no mail")
        }),
    }
}

/// The page of the link in a message; without a code, a form for requesting a link. Opening it changes nothing, because
/// mail programs open links to check them.
#[utoipa::path(get, path = "/password", tag = "auth", params(LinkQuery),
    responses((status = 200, description = "a form", content_type = "text/html"),
        (status = 404, description = "the server sends no mail")))]
pub async fn password_page(
    State(app): State<App>,
    headers: HeaderMap,
    Query(query): Query<LinkQuery>,
) -> Result<Response, ApiError> {
    require_mail(&app)?;
    let form = if query.code.is_empty() { request_form } else { password_form };
    let language = pages::language(&headers);
    Ok(page(language, StatusCode::OK, &form(&TEXTS[language], "")))
}

/// Sets the password, or requests a link, as the form states.
#[utoipa::path(post, path = "/password", tag = "auth", params(LinkQuery),
    request_body(content = String, description = "`password`, or `login` without a code in the query",
        content_type = "application/x-www-form-urlencoded"),
    responses((status = 200, description = "the result", content_type = "text/html"),
        (status = 400, description = "the password is not allowed, or the link has expired or was used"),
        (status = 429)))]
pub async fn submit_password(
    State(app): State<App>,
    peer: Peer,
    headers: HeaderMap,
    Query(query): Query<LinkQuery>,
    body: Bytes,
) -> Result<Response, ApiError> {
    require_mail(&app)?;
    let language = pages::language(&headers);
    let texts = &TEXTS[language];
    let field = |name: &str| {
        let mut fields = form_urlencoded::parse(&body);
        fields.find(|(key, _)| key == name).map(|(_, v)| v.into_owned()).unwrap_or_default()
    };
    if query.code.is_empty() {
        return Ok(match count_and_request(&app, field("login"), language).await {
            Ok(()) => page(language, StatusCode::OK, &paragraph(texts.requested)),
            Err(e) => page(language, e.status, &paragraph(texts.limited)),
        });
    }
    let password = field("password");
    if check_password(&password).is_err() {
        return Ok(page(language, StatusCode::BAD_REQUEST, &password_form(texts, texts.rule)));
    }
    let user: UserId = query.account.parse().unwrap_or(UserId(uuid::Uuid::nil()));
    let now = app.clock.now_ms();
    // Counted like passwords, before anything is compared.
    let Ok(attempt) = app.sign_ins.begin(user.to_string(), peer.0, None, now).await else {
        return Ok(page(language, StatusCode::TOO_MANY_REQUESTS, &paragraph(texts.limited)));
    };
    let password = app.passwords.hash(password).await?;
    let hash = app.tokens.code_hash(user, &query.code);
    let Some(login) = app.store.set_password_by_link(user, hash, password, now).await? else {
        let again = format!("{}<p><a href=\"?\">{}</a></p>", paragraph(texts.expired), texts.again);
        return Ok(page(language, StatusCode::BAD_REQUEST, &again));
    };
    attempt.refund();
    tracing::info!(user.id = %user, "password set with a link");
    let login = escaped(&login);
    let body = format!(
        "{}{}<p><code dir=\"ltr\">{login}</code></p>",
        paragraph(texts.done),
        paragraph(texts.sign_in)
    );
    Ok(page(language, StatusCode::OK, &body))
}

fn page(language: usize, status: StatusCode, body: &str) -> Response {
    pages::page(language, status, "", TEXTS[language].title, body)
}

fn paragraph(text: &str) -> String {
    format!("<p>{text}</p>")
}

/// Returns the form for requesting a link. It is sent to the address of the page.
fn request_form(texts: &PasswordTexts, problem: &str) -> String {
    let PasswordTexts { type_login, login, request, .. } = texts;
    format!(
        "<form method=\"post\">{}<p>{type_login}</p><p><label>{login}<br>\
         <input name=\"login\" required maxlength=\"200\" autocomplete=\"username\" dir=\"ltr\"></label></p>\
         <p><button>{request}</button></p></form>",
        paragraph(problem)
    )
}

/// Returns the form for the new password. It is sent to the address of the page, which contains the code.
fn password_form(texts: &PasswordTexts, problem: &str) -> String {
    let PasswordTexts { password, set, rule, .. } = texts;
    let alert = if problem.is_empty() { "" } else { " role=\"alert\"" };
    format!(
        "<form method=\"post\"><p{alert}>{rule}</p><p><label>{password}<br>\
         <input name=\"password\" type=\"password\" required minlength=\"8\" maxlength=\"200\" \
         autocomplete=\"new-password\" dir=\"ltr\"></label></p><p><button>{set}</button></p></form>"
    )
}
