//! The texts of messages, in the languages of the app.

/// What a message says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letter<'l> {
    /// A link with which the recipient sets a new password.
    Reset { link: &'l str, minutes: i64 },
    /// A link with which the recipient sets the first password of an account.
    Invitation { link: &'l str, days: i64, address: &'l str },
    /// Shows the administrator that messages arrive.
    Test,
}

/// Subject and body of a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LetterText {
    pub lang: &'static str,
    pub subject: String,
    pub body: String,
}

/// Languages of messages; the first one is used for a person with another language.
const LANGUAGES: [&str; 3] = ["en", "fr", "ar"];

/// Returns the language of messages for a language tag: that of the tag if there is one, else English.
pub fn known_language(tag: &str) -> &'static str {
    let language = tag.split(['-', '_']).next().unwrap_or_default();
    let found = LANGUAGES.into_iter().find(|known| known.eq_ignore_ascii_case(language));
    found.unwrap_or(LANGUAGES[0])
}

impl Letter<'_> {
    /// Returns the message for a person. `school` is the name of the server. Links are lines of their own, so that no
    /// punctuation becomes a part of them, whatever the direction of the text is.
    pub fn text(&self, tag: &str, school: &str, name: &str, login: &str) -> LetterText {
        let lang = known_language(tag);
        let (subject, body) = match (self, lang) {
            (Self::Reset { link, minutes }, "fr") => (
                format!("Nouveau mot de passe : {school}"),
                format!(
                    "Bonjour {name},\n\nVous pouvez choisir ici un nouveau mot de passe pour le compte {login} :\n\n\
                     {link}\n\nLe lien fonctionne une seule fois, pendant {minutes} minutes. Si vous n’avez rien \
                     demandé, ignorez ce message : votre mot de passe reste le même.\n"
                ),
            ),
            (Self::Reset { link, minutes }, "ar") => (
                format!("كلمة مرور جديدة: {school}"),
                format!(
                    "مرحبًا {name}،\n\nيمكنك اختيار كلمة مرور جديدة للحساب {login} هنا:\n\n{link}\n\n\
                     يعمل الرابط مرة واحدة خلال {minutes} دقيقة. إذا لم تطلب ذلك فتجاهل هذه الرسالة، وتبقى كلمة \
                     مرورك كما هي.\n"
                ),
            ),
            (Self::Reset { link, minutes }, _) => (
                format!("New password: {school}"),
                format!(
                    "Hello {name},\n\nYou can choose a new password for the account {login} here:\n\n{link}\n\n\
                     The link works once, for {minutes} minutes. If you did not ask for it, ignore this message: \
                     your password stays the same.\n"
                ),
            ),
            (Self::Invitation { link, days, address }, "fr") => (
                format!("Votre compte : {school}"),
                format!(
                    "Bonjour {name},\n\n{school} a créé un compte pour vous. Choisissez ici votre mot de passe :\n\n\
                     {link}\n\nLe lien fonctionne une seule fois et reste valable {days} jours.\n\n\
                     Votre identifiant :\n{login}\n\nL’adresse à saisir dans l’application Carrel :\n{address}\n"
                ),
            ),
            (Self::Invitation { link, days, address }, "ar") => (
                format!("حسابك: {school}"),
                format!(
                    "مرحبًا {name}،\n\nأنشأت {school} حسابًا لك. اختر كلمة مرورك هنا:\n\n{link}\n\n\
                     يعمل الرابط مرة واحدة. مدة صلاحيته بالأيام: {days}.\n\nاسم الدخول:\n{login}\n\n\
                     العنوان الذي يُكتب في تطبيق Carrel:\n{address}\n"
                ),
            ),
            (Self::Invitation { link, days, address }, _) => (
                format!("Your account: {school}"),
                format!(
                    "Hello {name},\n\n{school} has created an account for you. Choose your password here:\n\n{link}\n\n\
                     The link works once and is valid for {days} days.\n\nYour login:\n{login}\n\n\
                     The address to type in the Carrel app:\n{address}\n"
                ),
            ),
            (Self::Test, "fr") => (
                format!("Message d’essai : {school}"),
                format!("Le serveur {school} peut envoyer des messages.\n"),
            ),
            (Self::Test, "ar") => (
                format!("رسالة تجريبية: {school}"),
                format!("يستطيع الخادم {school} إرسال الرسائل.\n"),
            ),
            (Self::Test, _) => (
                format!("Test message: {school}"),
                format!("The server {school} can send messages.\n"),
            ),
        };
        LetterText { lang, subject, body }
    }
}
