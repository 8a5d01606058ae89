//! Converts a panic of the compiler to a problem of the package, so that the other packages are still processed.
//!
//! Not here: which steps are guarded (the callers).

use std::{any::Any, panic::AssertUnwindSafe};

use crate::problem::{Problem, file_error};

/// Runs a step. A panic becomes an error of the package `name`.
pub fn catch_panic<T>(
    name: &str,
    step: impl FnOnce() -> Result<T, Vec<Problem>>,
) -> Result<T, Vec<Problem>> {
    std::panic::catch_unwind(AssertUnwindSafe(step))
        .unwrap_or_else(|panic| Err(vec![panic_problem(name, panic.as_ref())]))
}

/// Returns the problem for a panic while the package `name` was processed.
pub fn panic_problem(name: &str, panic: &(dyn Any + Send)) -> Problem {
    let literal = panic.downcast_ref::<&str>().map(|text| (*text).to_owned());
    let message = literal.or_else(|| panic.downcast_ref::<String>().cloned());
    let message = format!("the import panicked: {}", message.as_deref().unwrap_or("panic"));
    file_error(name, "internal", message, "report this error with the package")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_becomes_a_problem_of_its_package() {
        type Compile = fn() -> Result<(), Vec<Problem>>;
        let panics: [Compile; 3] = [
            || panic!("a literal message"),
            || panic!("a message with {}", 1),
            || std::panic::panic_any(7_u8),
        ];
        for (f, message) in
            panics.into_iter().zip(["a literal message", "a message with 1", "panic"])
        {
            let problems = catch_panic("school/rivers", f).unwrap_err();
            assert_eq!(problems.len(), 1);
            assert_eq!(
                (problems[0].file.as_str(), problems[0].code),
                ("school/rivers", "internal")
            );
            assert!(problems[0].message.ends_with(message), "{}", problems[0].message);
        }
    }
}
