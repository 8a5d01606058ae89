//! Studies a lesson, a story and a review in the real window by roles and names alone, without a network or an account.

use std::fs;

use super::{
    accessibility::{AccessibleApp, Role, describe, without_name},
    scenario::print_result,
    screen::Screen,
};
use crate::{
    demo::Demo,
    programs,
    sh::{self, Result},
};

/// Runs the walk once. Writes the tree of each screen to target/window-names.
pub fn test() -> Result {
    if !programs::app().exists() {
        return Err("the app is not built\nhint: cargo xtask run".into());
    }
    let folder = sh::target().join("window-names");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|e| format!("{}: {e}", folder.display()))?;
    }
    let demo = Demo::prepare(&folder.join("server"), &folder)?;
    let screen = Screen::start(1280, 800, &folder.join("logs"))?;
    let library = demo.library().display().to_string();
    let env = [("LANG", "C.UTF-8"), ("LANGUAGE", "en"), ("CARREL_DEMO_DIR", &*library)];
    let app = AccessibleApp::open(&screen, &folder.join("data"), &env, &folder.join("logs"))?;
    let mut walk = Walk { app, folder, screens: 0, elements: 0 };
    let done = study(&mut walk);
    if done.is_err() {
        // What is shown beside what the tree contains.
        screen.screenshot(&walk.folder.join("failed.png"))?;
    }
    done?;
    print_result(
        "names",
        &format!(
            "{} screens with {} elements: every control and heading has a name",
            walk.screens, walk.elements
        ),
    );
    Ok(())
}

struct Walk {
    app: AccessibleApp,
    folder: std::path::PathBuf,
    screens: usize,
    elements: usize,
}

impl Walk {
    /// Checks that each control and heading of the screen has a name, and writes the tree to a file.
    fn check(&mut self, screen: &str) -> Result {
        let tree = self.app.tree()?;
        let file = self.folder.join(format!("{screen}.txt"));
        fs::write(&file, describe(&tree)).map_err(|e| format!("{}: {e}", file.display()))?;
        self.screens += 1;
        self.elements += tree.len();
        match &*without_name(&tree) {
            [] => Ok(()),
            [first, ..] => Err(format!(
                "{screen}: an element with role {} has no name\nhint: {} lists the elements",
                first.role,
                file.display()
            )),
        }
    }
}

fn study(walk: &mut Walk) -> Result {
    walk.app.wait_for(Role::Button, "Open the demo library")?;
    walk.check("welcome")?;
    walk.app.press(Role::Button, "Open the demo library")?;
    walk.app.wait_for(Role::Heading, "On this device")?;
    walk.check("library")?;
    lesson(walk)?;
    story(walk)?;
    review(walk)
}

fn lesson(walk: &mut Walk) -> Result {
    walk.app.press(Role::Link, "How Rivers Work")?;
    walk.app.press(Role::Link, "Start")?;
    walk.app.wait_for(Role::Heading, "The shape of a river")?;
    walk.check("lesson")?;
    walk.app.press(Role::Button, "Mark as finished")?;
    walk.app.wait_for_text(Role::Paragraph, "Finished")?;
    walk.app.press(Role::Link, "Next ")?;
    walk.app.wait_for(Role::Heading, "Crumple a landscape")?;
    walk.app.press(Role::Link, "Back to the course")?;
    walk.app.wait_for(Role::Link, "Continue")?;
    walk.check("course")?;
    print_result("lesson", "opened, finished, and the next one opened, by roles and names");
    Ok(())
}

fn story(walk: &mut Walk) -> Result {
    walk.app.press(Role::Link, "Library")?;
    walk.app.press(Role::Toggle, "Stories")?;
    walk.app.press(Role::Link, "The Lamp by the Sea")?;
    walk.app.press(Role::Link, "Start")?;
    walk.app.press(Role::Button, "Read to me")?;
    walk.app.press(Role::Button, "Pause")?;
    walk.check("story")?;
    walk.app.press(Role::PopupButton, "lighthouse")?;
    walk.app.wait_for(Role::Dialog, "lighthouse")?;
    walk.check("word")?;
    walk.app.press(Role::Toggle, "Add to my words")?;
    walk.app.wait_for(Role::Toggle, "In my words")?;
    walk.app.press(Role::Button, "Close")?;
    walk.app.press(Role::Button, "Next page")?;
    walk.app.wait_for_text(Role::Section, "Page 2 of")?;
    print_result("story", "listened, looked up and added a word, turned the page");
    Ok(())
}

fn review(walk: &mut Walk) -> Result {
    walk.app.press(Role::Link, "Back")?;
    walk.app.wait_for(Role::Heading, "Library")?;
    walk.app.press(Role::Link, "Review")?;
    walk.app.wait_for(Role::Heading, "1 saved word")?;
    walk.check("words")?;
    walk.app.press(Role::Button, "Review now")?;
    walk.app.wait_for(Role::Heading, "lighthouse")?;
    walk.app.press(Role::Button, "Show the answer")?;
    walk.app.wait_for(Role::Button, "Good")?;
    walk.check("answer")?;
    walk.app.press(Role::Button, "Good")?;
    walk.app.wait_for(Role::Heading, "Done for today")?;
    walk.check("done")?;
    print_result("review", "the word was asked, shown and answered");
    Ok(())
}
