//! Video on demand: the files of the library, and uploads into it.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use streamer_vod::{AssetInfo, Entry, EntryKind, Library, LibraryError, TrackInfo, Upload, UploadId};
use utoipa::{IntoParams, ToSchema};

use super::RestState;
use super::caller::Target;
use super::envelope::{Data, DataBody, Done, DoneBody, List, ListBody};
use super::error::{ApiError, ErrorBody, ErrorCode};
use super::page::{Limit, Text};
use super::request::{Binary, Json, Named, Params};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

/// A path in the library, bounded as the library bounds it.
type PathText = Text<{ streamer_vod::proto::name::MAX_PATH_BYTES }>;

/// What an entry of a folder is, by its name.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum AssetKind {
    /// A folder; one that holds renditions plays as one asset.
    Folder,
    /// A media file.
    Media,
    /// Subtitles.
    Subtitles,
    /// A list of renditions.
    Manifest,
    /// Anything else; it is not served.
    Other,
}

/// A file or a folder.
#[derive(Serialize, ToSchema)]
pub(super) struct AssetBody {
    /// Where it is, from the root of the library.
    path: String,
    /// What it is.
    kind: AssetKind,
    /// Length of a file; 0 of a folder.
    size_bytes: u64,
    /// When it was last written to, Unix milliseconds.
    modified_unix_ms: i64,
}

impl From<Entry> for AssetBody {
    fn from(entry: Entry) -> Self {
        let kind = match entry.kind {
            EntryKind::Folder => AssetKind::Folder,
            EntryKind::Media => AssetKind::Media,
            EntryKind::Subtitles => AssetKind::Subtitles,
            EntryKind::Manifest => AssetKind::Manifest,
            _ => AssetKind::Other,
        };
        let (size_bytes, modified_unix_ms) = (entry.size_bytes, entry.modified_unix_ms);
        Self { path: entry.path.as_str().to_owned(), kind, size_bytes, modified_unix_ms }
    }
}

/// A track of a media file.
#[derive(Serialize, ToSchema)]
struct AssetTrackBody {
    /// Its name: `video0`, `audio0`, ...
    id: String,
    /// `H264`, `AAC`, ...
    codec: String,
    /// The codec as players name it (RFC 6381).
    codec_string: Option<String>,
    /// Picture width, pixels.
    width: Option<u32>,
    /// Picture height, pixels.
    height: Option<u32>,
    /// Pictures per second, on the average.
    fps: Option<f64>,
    /// Sampling frequency, hertz.
    sample_rate_hz: Option<u32>,
    /// Channels.
    channels: Option<u8>,
    /// Language tag (BCP 47), where the file tells it.
    language: Option<String>,
    /// How long it lasts, milliseconds.
    duration_ms: u64,
    /// Bits per second, on the average.
    bitrate_bps: u64,
}

impl From<TrackInfo> for AssetTrackBody {
    fn from(track: TrackInfo) -> Self {
        Self {
            id: track.id.to_string(),
            codec: track.codec.to_owned(),
            codec_string: track.codec_string,
            width: track.resolution.map(|(width, _)| width),
            height: track.resolution.map(|(_, height)| height),
            fps: track.frame_rate,
            sample_rate_hz: track.sample_rate_hz,
            channels: track.channels,
            language: track.language,
            duration_ms: track.duration_ms,
            bitrate_bps: track.bitrate_bps,
        }
    }
}

/// Where a media file plays as HLS: paths on the port of video on demand and on the engine's HTTP port.
#[derive(Serialize, ToSchema)]
struct PlaylistsBody {
    /// In transport streams; `null` where they carry none of its tracks.
    ts: Option<String>,
    /// In fMP4; likewise.
    fmp4: Option<String>,
}

/// What is known of a media file.
#[derive(Serialize, ToSchema)]
pub(super) struct AssetInfoBody {
    /// Where it is, from the root of the library.
    path: String,
    /// Its length.
    size_bytes: u64,
    /// When it was last written to, Unix milliseconds.
    modified_unix_ms: i64,
    /// What the file is: `mp4`, `flv` or `ts`.
    container: String,
    /// How long it lasts, milliseconds.
    duration_ms: u64,
    /// Bits per second of all tracks, on the average.
    bitrate_bps: u64,
    /// The tracks that can be played, video first.
    tracks: Vec<AssetTrackBody>,
    /// Where it plays as HLS.
    playlists: PlaylistsBody,
}

impl From<AssetInfo> for AssetInfoBody {
    fn from(info: AssetInfo) -> Self {
        Self {
            path: info.entry.path.as_str().to_owned(),
            size_bytes: info.entry.size_bytes,
            modified_unix_ms: info.entry.modified_unix_ms,
            container: info.format.to_owned(),
            duration_ms: info.duration_ms,
            bitrate_bps: info.bitrate_bps,
            tracks: info.tracks.into_iter().map(AssetTrackBody::from).collect(),
            playlists: PlaylistsBody { ts: info.ts_playlist, fmp4: info.fmp4_playlist },
        }
    }
}

/// An upload under way.
#[derive(Serialize, ToSchema)]
pub(super) struct UploadBody {
    /// Names it.
    id: String,
    /// Where it goes when it is whole.
    path: String,
    /// Bytes it will have.
    total_bytes: u64,
    /// Bytes that are there: the offset of the next chunk.
    received_bytes: u64,
    /// When it is given up unless a chunk comes, Unix milliseconds.
    expires_unix_ms: i64,
}

impl From<Upload> for UploadBody {
    fn from(upload: Upload) -> Self {
        Self {
            id: upload.id.to_string(),
            path: upload.path.as_str().to_owned(),
            total_bytes: upload.total_bytes,
            received_bytes: upload.received_bytes,
            expires_unix_ms: upload.expires_unix_ms,
        }
    }
}

impl From<LibraryError> for ApiError {
    fn from(error: LibraryError) -> Self {
        match error {
            LibraryError::NotFound { what } => Self::not_found(what),
            LibraryError::BadName(name) => Self::parameter("path").detail(name.to_string()),
            LibraryError::NotMedia { reason } => {
                Self::conflict("not media that can be served").detail(reason)
            }
            LibraryError::TooLarge { .. } => {
                let message = "more than a limit of the library allows";
                Self::new(StatusCode::PAYLOAD_TOO_LARGE, ErrorCode::BodyTooLarge, message)
                    .detail(error.to_string())
            }
            LibraryError::Conflict { reason } => Self::conflict(reason),
            LibraryError::Full { .. } => {
                Self::new(StatusCode::INSUFFICIENT_STORAGE, ErrorCode::DiskFull, "the disk is full")
                    .detail(error.to_string())
            }
            other => Self::internal("the library", &other),
        }
    }
}

fn library(state: &RestState) -> Result<&Library, ApiError> {
    state.library().ok_or_else(|| ApiError::unavailable("video on demand is switched off"))
}

/// Which entries of a folder.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct FolderParams {
    /// Most entries of the page.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 1000, default = 100)]
    limit: Limit,
    /// The `next` of the page before.
    after: Option<u32>,
    /// The folder; the root unless it is given.
    #[param(value_type = Option<String>, max_length = 1024)]
    folder: Option<PathText>,
}

/// List a folder
#[utoipa::path(get, path = "/v1/vod", tag = "vod", params(FolderParams),
    responses((status = 200, description = "A page of its entries, folders first, then by name.", body = ListBody<AssetBody>)))]
pub(super) async fn list(
    State(state): State<RestState>,
    Params(params): Params<FolderParams>,
) -> Result<List<AssetBody>, ApiError> {
    let folder = params.folder.map(|folder| folder.0).unwrap_or_default();
    let offset = params.after.unwrap_or(0) as usize;
    let listing = library(&state)?.list(&folder, offset, params.limit.0).await?;
    let end = offset.saturating_add(listing.entries.len());
    let more = end < listing.total && !listing.entries.is_empty();
    Ok(List {
        list: listing.entries.into_iter().map(AssetBody::from).collect(),
        total: Some(listing.total),
        next: more.then(|| end.to_string()),
        version: None,
    })
}

/// Which file.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct AssetParams {
    /// Where it is, from the root of the library.
    #[param(value_type = String, max_length = 1024)]
    path: PathText,
}

/// Show a media file
///
/// Its tables are read for it unless they were lately; a long FLV file or transport stream takes a while then.
#[utoipa::path(get, path = "/v1/vod/asset", tag = "vod", params(AssetParams),
    responses(
        (status = 200, description = "What is known of it.", body = DataBody<AssetInfoBody>),
        (status = 409, description = "It is no media that can be played.", body = ErrorBody),
    ))]
pub(super) async fn show(
    State(state): State<RestState>,
    Params(params): Params<AssetParams>,
) -> Result<Data<AssetInfoBody>, ApiError> {
    Ok(Data::new(library(&state)?.info(&params.path.0).await?.into()))
}

/// Remove a file or an empty folder
#[utoipa::path(delete, path = "/v1/vod/asset", tag = "vod", params(AssetParams),
    responses((status = 200, description = "It is gone.", body = DoneBody)))]
pub(super) async fn remove(
    State(state): State<RestState>,
    Params(params): Params<AssetParams>,
) -> Result<Done, ApiError> {
    library(&state)?.delete(&params.path.0).await?;
    Ok(Done::new("delete asset success").about(format!("/v1/vod/asset?path={}", params.path.0)))
}

/// A file to come.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewUploadBody {
    /// Where it goes, from the root of the library.
    #[schema(max_length = 1024)]
    path: String,
    /// Bytes it will have.
    total_bytes: u64,
}

/// List uploads
#[utoipa::path(get, path = "/v1/vod/upload", tag = "vod",
    responses((status = 200, description = "The uploads under way.", body = ListBody<UploadBody>)))]
pub(super) async fn list_uploads(State(state): State<RestState>) -> Result<List<UploadBody>, ApiError> {
    let uploads = library(&state)?.uploads().await?;
    Ok(List::whole(uploads.into_iter().map(UploadBody::from).collect()))
}

/// Begin an upload
///
/// Then come the chunks, each at the offset where the one before ended, and `finish`. After a broken connection the
/// upload says where to go on.
#[utoipa::path(post, path = "/v1/vod/upload", tag = "vod", request_body = NewUploadBody,
    responses((status = 200, description = "The upload.", body = DataBody<UploadBody>)))]
pub(super) async fn begin(
    State(state): State<RestState>,
    Json(body): Json<NewUploadBody>,
) -> Result<Response, ApiError> {
    let upload = library(&state)?.create_upload(&body.path, body.total_bytes).await?;
    let mut response = Data::new(UploadBody::from(upload)).into_response();
    response.extensions_mut().insert(Target(format!("/v1/vod/upload?path={}", body.path)));
    Ok(response)
}

/// Show an upload
#[utoipa::path(get, path = "/v1/vod/upload/{id}", tag = "vod",
    params(("id" = String, Path, description = "Names the upload")),
    responses((status = 200, description = "The upload.", body = DataBody<UploadBody>)))]
pub(super) async fn show_upload(
    State(state): State<RestState>,
    Named(id): Named<String>,
) -> Result<Data<UploadBody>, ApiError> {
    let id: UploadId = id.parse()?;
    Ok(Data::new(library(&state)?.upload(id).await?.into()))
}

/// Where a chunk goes.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ChunkParams {
    /// Bytes before it: `received_bytes` of the upload.
    offset: u64,
}

/// Send a chunk
///
/// At most 16 MiB; it continues where the one before ended.
#[utoipa::path(put, path = "/v1/vod/upload/{id}", tag = "vod",
    params(("id" = String, Path, description = "Names the upload"), ChunkParams),
    request_body(content = Vec<u8>, content_type = "application/octet-stream"),
    responses((status = 200, description = "The upload, after the chunk.", body = DataBody<UploadBody>)))]
pub(super) async fn append(
    State(state): State<RestState>,
    Named(id): Named<String>,
    Params(params): Params<ChunkParams>,
    Binary(chunk): Binary,
) -> Result<Data<UploadBody>, ApiError> {
    let id: UploadId = id.parse()?;
    Ok(Data::new(library(&state)?.append(id, params.offset, chunk).await?.into()))
}

/// Whether an upload may replace what is there.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(super) struct FinishParams {
    /// Whether a file of the same name is replaced; otherwise it is a conflict.
    #[param(value_type = Option<bool>)]
    replace: bool,
}

/// Finish an upload
///
/// The file appears in the library, whole.
#[utoipa::path(post, path = "/v1/vod/upload/{id}/finish", tag = "vod",
    params(("id" = String, Path, description = "Names the upload"), FinishParams),
    responses((status = 200, description = "The file.", body = DataBody<AssetBody>)))]
pub(super) async fn finish(
    State(state): State<RestState>,
    Named(id): Named<String>,
    Params(params): Params<FinishParams>,
) -> Result<Data<AssetBody>, ApiError> {
    let id: UploadId = id.parse()?;
    Ok(Data::new(library(&state)?.finish_upload(id, params.replace).await?.into()))
}

/// Give an upload up
#[utoipa::path(delete, path = "/v1/vod/upload/{id}", tag = "vod",
    params(("id" = String, Path, description = "Names the upload")),
    responses((status = 200, description = "It is gone.", body = DoneBody)))]
pub(super) async fn abort(
    State(state): State<RestState>,
    Named(id): Named<String>,
) -> Result<Done, ApiError> {
    let id: UploadId = id.parse()?;
    library(&state)?.abort_upload(id).await?;
    Ok(Done::new("delete upload success"))
}
