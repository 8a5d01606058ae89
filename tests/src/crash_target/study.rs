//! Records study work without a pause until it is killed. Prints one line for each change, after the client has stored
//! it durably. Killed by tests/integration/crash.rs.
//!
//! `study FOLDER [SERVER LOGIN PASSWORD]`: with a server, registers; without, opens the existing account.
//!
//! Lines on stdout: `opening`, `opened`, then `stored KIND KEY...`.

use std::path::Path;

use carrel_client::{OpenAccount, Result};
use carrel_learning::Step;
use carrel_model::{BlobHash, ItemId, Slug, content::Response, lattice::ItemKind};
use carrel_tests::{open, report};

pub async fn run(arguments: &[String]) -> Result<()> {
    let Some((folder, rest)) = arguments.split_first() else {
        return Err(carrel_client::Error::Invalid(
            "usage: study FOLDER [SERVER LOGIN PASSWORD]".into(),
        ));
    };
    report("opening")?;
    let client = open(Path::new(folder), "learner").await?;
    let account = match rest {
        [server, login, password] => client.register(server, login, login, password).await?,
        _ => client.require_account()?,
    };
    report("opened")?;
    study(&account).await
}

fn item(text: &str) -> Result<ItemId> {
    ItemId::new(text).map_err(|e| carrel_client::Error::Invalid(e.to_string()))
}

async fn study(account: &OpenAccount) -> Result<()> {
    let learning = &account.learning;
    // Sections before this one were finished by earlier processes.
    let first = learning.done_sections("rivers").await?.len();
    for n in first.. {
        let section = item(&format!("rivers/source/n{n}"))?;
        learning
            .record(Step { done: true, ..Step::at(ItemKind::Section, section.clone()) })
            .await?;
        report(&format!("stored done {section}"))?;
        let shared = item("rivers/source/read")?;
        let percent = u16::try_from(n % 10_001).unwrap_or(0);
        let shown = learning
            .record(Step { percent: Some(percent), ..Step::at(ItemKind::Section, shared.clone()) })
            .await?;
        report(&format!("stored percent {shared} {}", shown.row.percent))?;
        if n % 3 == 0 {
            let word = item(&format!("rivers/w{n}"))?;
            learning.save_word(&word, None, true).await?;
            report(&format!("stored word {word}"))?;
        }
        if n % 5 == 0 {
            let quiz = item(&format!("rivers/q{n}"))?;
            let attempt = learning.start_attempt(&quiz, BlobHash::of(b"a quiz")).await?.attempt.id;
            let question =
                Slug::new("fast").map_err(|e| carrel_client::Error::Invalid(e.to_string()))?;
            let answer = learning
                .save_answer(attempt, &question, &Response::Fill { texts: vec![n.to_string()] })
                .await?;
            report(&format!("stored answer {attempt} {} {}", answer.question, answer.seq))?;
            learning.submit_attempt(attempt).await?;
            report(&format!("stored submit {attempt}"))?;
        }
        learning.study_heartbeat(&shared, true).await?;
        report(&format!("stored time {shared} {}", learning.time_spent(&shared).await?))?;
    }
    Ok(())
}
