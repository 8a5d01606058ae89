//! Runs a decoder so that its failure concerns only the file that it decodes.

use std::{any::Any, io, thread};

use super::error::{MediaError, media_error};

/// Stack of the thread in bytes: decoders and parsers of nested files may recurse.
const STACK: usize = 64 << 20;

/// Name of the threads on which decoders run; a panic on one of them is an error of the decoded file.
pub const DECODER_THREAD: &str = "decoder";

/// Runs `decode` on a thread with a large stack. A panic becomes an error with this code.
pub(crate) fn guarded<T: Send>(
    code: &'static str,
    decode: impl FnOnce() -> T + Send,
) -> Result<T, MediaError> {
    let failed = |what: &str| {
        let message = format!("the file cannot be decoded: {what}");
        media_error(code, message, "export it again, or in another format")
    };
    let result: io::Result<thread::Result<T>> = thread::scope(|scope| {
        let thread = thread::Builder::new().name(DECODER_THREAD.to_owned()).stack_size(STACK);
        Ok(thread.spawn_scoped(scope, decode)?.join())
    });
    match result {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(panic)) => {
            tracing::warn!(panic.message = %panic_message(panic.as_ref()), "a decoder failed");
            Err(failed("the decoder failed"))
        }
        Err(e) => Err(failed(&e.to_string())),
    }
}

fn panic_message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().map(|t| (*t).to_owned());
    let text = text.or_else(|| panic.downcast_ref::<String>().cloned());
    // A message is one line.
    text.unwrap_or_default().lines().next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_of_the_file() {
        assert_eq!(guarded("image-broken", || 7), Ok(7));
        let error = guarded("audio-broken", || -> u32 { panic!("index {} of\n3", 9) }).unwrap_err();
        assert_eq!(error.code, "audio-broken");
        assert_eq!(error.message, "the file cannot be decoded: the decoder failed");
        fn deep(n: u64) -> u64 {
            let padding = std::hint::black_box([n; 64]);
            if n == 0 { 0 } else { deep(n - 1) + padding[3] - n + 1 }
        }
        assert_eq!(guarded("svg-broken", || deep(20_000)), Ok(20_000));
    }
}
