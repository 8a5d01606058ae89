//! The pages that people see in the browser at the end of a sign-in with an identity provider, in English, French and
//! Arabic. They contain no scripts.

use axum::{
    http::{HeaderMap, StatusCode},
    response::Response,
};

use super::{pages, start_page::escaped};

/// What a page reports.
pub enum Outcome<'o> {
    Done {
        link: &'o str,
        code: &'o str,
    },
    /// `detail` is for the administrator.
    Failed {
        problem: Problem,
        detail: &'o str,
        status: StatusCode,
    },
}

/// Why a sign-in failed, as far as the person can do something about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Problem {
    Declined,
    Unreachable,
    Untrusted,
    Expired,
    Inactive,
    NotLinked,
}

struct PageTexts {
    title: &'static str,
    open: &'static str,
    type_code: &'static str,
    keep_secret: &'static str,
    failed: &'static str,
    declined: &'static str,
    unreachable: &'static str,
    untrusted: &'static str,
    expired: &'static str,
    inactive: &'static str,
    not_linked: &'static str,
}

/// By language (`pages::LANGUAGES`).
const TEXTS: [PageTexts; 3] = [
    PageTexts {
        title: "Return to Carrel",
        open: "Open Carrel",
        type_code: "If the app does not open, type this code there. It is valid for five minutes.",
        keep_secret: "Type the code only into the app in which you began to sign in. Do not give it to anybody.",
        failed: "The sign-in failed",
        declined: "Your account's sign-in page did not confirm the sign-in. You can start again in the app.",
        unreachable: "The sign-in page of your account does not reply. Try again later, or sign in with a password.",
        untrusted: "The reply of the sign-in page was not accepted. Please tell the administrator of this server.",
        expired: "This sign-in has expired, or it began in another browser. Start again in the app.",
        inactive: "This account is not active. Please ask your school.",
        not_linked: "This server does not know your account yet. Please ask your school to link it.",
    },
    PageTexts {
        title: "Revenez à Carrel",
        open: "Ouvrir Carrel",
        type_code: "Si l’application ne s’ouvre pas, saisissez-y ce code. Il est valable cinq minutes.",
        keep_secret: "Saisissez le code seulement dans l’application où vous avez commencé la connexion. Ne le donnez \
            à personne.",
        failed: "La connexion a échoué",
        declined: "La page de connexion de votre compte n’a pas confirmé la connexion. Vous pouvez recommencer dans \
            l’application.",
        unreachable: "La page de connexion de votre compte ne répond pas. Réessayez plus tard, ou connectez-vous avec \
            un mot de passe.",
        untrusted: "La réponse de la page de connexion n’a pas été acceptée. Prévenez l’administrateur de ce serveur.",
        expired: "Cette connexion a expiré, ou elle a commencé dans un autre navigateur. Recommencez dans \
            l’application.",
        inactive: "Ce compte n’est pas actif. Adressez-vous à votre école.",
        not_linked: "Ce serveur ne connaît pas encore votre compte. Demandez à votre école de l’associer.",
    },
    PageTexts {
        title: "عُد إلى Carrel",
        open: "افتح Carrel",
        type_code: "إذا لم يُفتح التطبيق، فاكتب هذا الرمز فيه. الرمز صالح لخمس دقائق.",
        keep_secret: "لا تكتب الرمز إلا في التطبيق الذي بدأت منه تسجيل الدخول. لا تعطه لأحد.",
        failed: "تعذّر تسجيل الدخول",
        declined: "لم تؤكد صفحة الدخول إلى حسابك تسجيل الدخول. يمكنك البدء من جديد في التطبيق.",
        unreachable: "صفحة الدخول إلى حسابك لا تستجيب. حاول لاحقًا، أو سجّل الدخول بكلمة مرور.",
        untrusted: "لم يُقبل رد صفحة الدخول. أبلغ مدير هذا الخادم من فضلك.",
        expired: "انتهت مدة تسجيل الدخول هذا، أو أنه بدأ في متصفح آخر. ابدأ من جديد في التطبيق.",
        inactive: "هذا الحساب غير مفعّل. اسأل مدرستك من فضلك.",
        not_linked: "لا يعرف هذا الخادم حسابك بعد. اطلب من مدرستك ربطه.",
    },
];

/// Returns a page.
pub fn page(headers: &HeaderMap, outcome: Outcome<'_>) -> Response {
    let language = pages::language(headers);
    let texts = &TEXTS[language];
    let (title, body, refresh, status) = match outcome {
        Outcome::Done { link, code } => {
            let link = escaped(link);
            let PageTexts { open, type_code, keep_secret, .. } = texts;
            let body = format!(
                "<p><a href=\"{link}\">{open}</a></p><p>{type_code}</p><p><code dir=\"ltr\">{code}</code></p>\
                 <p><small>{keep_secret}</small></p>"
            );
            let refresh = format!("<meta http-equiv=\"refresh\" content=\"0;url={link}\">");
            (texts.title, body, refresh, StatusCode::OK)
        }
        Outcome::Failed { problem, detail, status } => {
            let text = match problem {
                Problem::Declined => texts.declined,
                Problem::Unreachable => texts.unreachable,
                Problem::Untrusted => texts.untrusted,
                Problem::Expired => texts.expired,
                Problem::Inactive => texts.inactive,
                Problem::NotLinked => texts.not_linked,
            };
            let detail = escaped(detail);
            let body =
                format!("<p>{text}</p><p><small lang=\"en\" dir=\"ltr\">{detail}</small></p>");
            (texts.failed, body, String::new(), status)
        }
    };
    pages::page(language, status, &refresh, title, &body)
}
