//! Durations of sound files, by walking over their packets (nothing is decoded).
//!
//! Not here: M4A and WebM (`mp4`, `webm` read those from the container).

use std::{fs::File, path::Path};

use symphonia::core::{
    errors::Error, formats::FormatOptions, io::MediaSourceStream, meta::MetadataOptions,
    probe::Hint,
};

use crate::picture::Fault;

pub(crate) type SoundResult = Result<u64, Fault>;

/// Milliseconds of an mp3, ogg, wav or flac file.
pub(crate) fn duration_ms(disk: &Path) -> SoundResult {
    let broken = |what: String| Fault {
        code: "sound-broken",
        message: format!("the sound cannot be read: {what}"),
        hint: "export it again as mp3, ogg, wav, m4a or flac".to_owned(),
    };
    let file = File::open(disk).map_err(|e| broken(e.to_string()))?;
    let stream = MediaSourceStream::new(Box::new(file), Default::default());
    let options = FormatOptions { enable_gapless: true, ..FormatOptions::default() };
    let mut format = symphonia::default::get_probe()
        .format(&Hint::new(), stream, &options, &MetadataOptions::default())
        .map_err(|e| broken(e.to_string()))?
        .format;
    let track = format.default_track().ok_or_else(|| broken("it has no sound".to_owned()))?;
    let (id, params) = (track.id, track.codec_params.clone());
    let base = params
        .time_base
        .or_else(|| params.sample_rate.map(|r| symphonia::core::units::TimeBase::new(1, r)));
    let base = base.ok_or_else(|| broken("it does not say how fast it plays".to_owned()))?;
    let mut units = 0u64;
    let end = loop {
        match format.next_packet() {
            Ok(packet) if packet.track_id() == id => units = units.saturating_add(packet.dur()),
            Ok(_) => {}
            Err(Error::IoError(e)) if e.kind() == std::io::ErrorKind::UnexpectedEof => break None,
            // A chained stream begins anew: what follows is another piece.
            Err(Error::ResetRequired) => break None,
            Err(e) => break Some(e),
        }
    };
    let ms = |units: u64| {
        u64::try_from(
            u128::from(units) * u128::from(base.numer) * 1000 / u128::from(base.denom.max(1)),
        )
        .unwrap_or_default()
    };
    if units == 0 {
        return Err(broken(
            end.map_or_else(|| "there is no sound in it".to_owned(), |e| e.to_string()),
        ));
    }
    if let Some(e) = end {
        return Err(broken(format!("after {} ms: {e}", ms(units))));
    }
    // Only containers that state their length can be caught short; an mp3's is an estimate.
    let exact = params.codec != symphonia::core::codecs::CODEC_TYPE_MP3;
    if let Some(declared) =
        params.n_frames.filter(|n| exact && units.saturating_mul(100) < n.saturating_mul(95))
    {
        return Err(broken(format!(
            "it is cut off: {} of {} ms are there",
            ms(units),
            ms(declared)
        )));
    }
    Ok(ms(units))
}
