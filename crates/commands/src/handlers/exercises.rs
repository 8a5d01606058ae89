//! Commands for the exercises after a story.
//!
//! Not here: how they are derived and scored (`carrel_model::content`), how runs are stored (`carrel-learning`).

use carrel_client::{
    OpenAccount,
    learning::{ExerciseAnswer, ExerciseRun},
};
use carrel_model::{
    ItemId, Slug,
    content::{Exercise, Quiz, Response, Story, grade_exercise, story_exercises},
};

use super::{Result, reading::correct_times};
use crate::{
    api::{
        error::CommandError,
        exercises::{
            AnswerExercise, ExerciseAnswerView, ExerciseRunSummary, ExerciseRunView, StoryExercises,
        },
        reading::ItemRef,
    },
    host::{Host, account},
};

/// Longest typed text of an answer, in bytes.
const MAX_TYPED: usize = 1_000;

pub async fn get_exercises(host: &dyn Host, request: ItemRef) -> Result<StoryExercises> {
    let account = account(host)?;
    let source = ExerciseSource::open(&account, &request.item).await?;
    let mut runs = account.learning.exercise_runs(&request.item).await?;
    runs.reverse();
    let sum = |run: &ExerciseRun, of: fn(&ExerciseAnswer) -> i64| -> i64 {
        run.answers.values().map(of).sum()
    };
    Ok(StoryExercises {
        available: !source.exercises(0).is_empty(),
        runs: runs
            .iter()
            .map(|run| ExerciseRunSummary {
                started_ms: run.started_ms,
                answered: run.answers.len() as u32,
                count: run.count,
                points: sum(run, |answer| answer.points),
                max_points: sum(run, |answer| answer.max_points),
            })
            .collect(),
    })
}

pub async fn start_exercises(host: &dyn Host, request: ItemRef) -> Result<ExerciseRunView> {
    let account = account(host)?;
    let source = ExerciseSource::open(&account, &request.item).await?;
    if source.exercises(0).is_empty() {
        let message = format!("no exercise can be derived from the story {}", request.item);
        return Err(CommandError::invalid(message));
    }
    let count = |seed| source.exercises(seed).len() as u32;
    let run = account.learning.start_exercises(&request.item, count).await?;
    let exercises = source.exercises(run.seed);
    let exercise = |id: &Slug| exercises.iter().find(|exercise| exercise.question.id == *id);
    // Another version of the story may have other exercises.
    let known = run.answers.iter().filter_map(|(id, answer)| Some((exercise(id)?, answer)));
    let answers = known.map(|(exercise, answer)| source.view(exercise, answer)).collect();
    Ok(ExerciseRunView { run: run.id, exercises, answers })
}

pub async fn answer_exercise(
    host: &dyn Host,
    request: AnswerExercise,
) -> Result<ExerciseAnswerView> {
    let account = account(host)?;
    let AnswerExercise { item, run, exercise: id, response } = request;
    check_length(&response)?;
    let runs = account.learning.exercise_runs(&item).await?;
    let missing = |what: String| CommandError::from(carrel_client::Error::NotFound(what));
    let found = runs.iter().find(|known| known.id == run);
    let found = found.ok_or_else(|| missing(format!("exercises {run} of {item}")))?;
    let source = ExerciseSource::open(&account, &item).await?;
    let exercises = source.exercises(found.seed);
    let exercise = exercises.iter().find(|exercise| exercise.question.id == id);
    let exercise = exercise.ok_or_else(|| missing(format!("exercise {id} of {item}")))?;
    let answer = ExerciseAnswer {
        points: grade_exercise(exercise, &response, &source.story.lang).points,
        max_points: i64::from(exercise.question.points) * 1000,
        response,
    };
    let stored = account.learning.answer_exercise(&item, &run, &id, answer).await?;
    Ok(source.view(exercise, &stored))
}

fn check_length(response: &Response) -> Result<()> {
    let length = match response {
        Response::Fill { texts } => texts.iter().map(String::len).sum(),
        _ => 0,
    };
    if length > MAX_TYPED {
        let message = format!("the typed text has {length} bytes; at most {MAX_TYPED} are stored");
        return Err(CommandError::invalid(message));
    }
    Ok(())
}

/// What exercises are derived from.
struct ExerciseSource {
    story: Story,
    quiz: Option<Quiz>,
}

impl ExerciseSource {
    async fn open(account: &OpenAccount, item: &ItemId) -> Result<Self> {
        let library = &account.content.library;
        let mut story = library.find_story(item).await?.value;
        correct_times(account, &mut story).await?;
        let quiz = match &story.quiz {
            // Without the quiz, its kinds of question are not known, and none of them is derived.
            Some(quiz) => Some(library.body::<Quiz>(quiz.body).await?),
            None => None,
        };
        Ok(Self { story, quiz })
    }
    fn exercises(&self, seed: u32) -> Vec<Exercise> {
        story_exercises(&self.story, self.quiz.as_ref(), seed)
    }
    fn view(&self, exercise: &Exercise, answer: &ExerciseAnswer) -> ExerciseAnswerView {
        let graded = grade_exercise(exercise, &answer.response, &self.story.lang);
        ExerciseAnswerView {
            exercise: exercise.question.id.clone(),
            response: answer.response.clone(),
            points: answer.points,
            max_points: answer.max_points,
            blanks: graded.blanks,
            parts: graded.parts,
        }
    }
}
