//! `wasi:filesystem`.

use std::fs::File;
use std::sync::Arc;

use rustix::fs::Dir;
use wasmtime::Result;
use wasmtime::component::Resource;
use wasmtime_wasi::filesystem::{Descriptor, WasiFilesystemCtxView};
use wasmtime_wasi::p2::bindings::filesystem::preopens;
use wasmtime_wasi::p2::bindings::filesystem::types::{
    Advice, DescriptorFlags, DescriptorStat, DescriptorType, DirectoryEntry, DirectoryEntryStream,
    ErrorCode, Filesize, Host, HostDescriptor, HostDirectoryEntryStream, MetadataHashValue,
    NewTimestamp, OpenFlags, PathFlags,
};
use wasmtime_wasi::p2::{DynInputStream, DynOutputStream, FsError, FsResult};

use super::Metered;

type Fd = Resource<Descriptor>;

impl Metered<'_> {
    fn files(&mut self) -> WasiFilesystemCtxView<'_> {
        WasiFilesystemCtxView {
            ctx: self.wasi.filesystem(),
            table: self.table,
        }
    }

    /// Opening a pipe waits for its other end, in a thread that nothing can stop; a device does
    /// whatever it does. Neither is a part of a directory that somebody granted.
    async fn refuse_special(&mut self, fd: Fd, flags: PathFlags, path: String) -> FsResult<()> {
        let Ok(stat) = self.files().stat_at(fd, flags, path).await else {
            // Opening it says what is wrong, or makes it.
            return Ok(());
        };
        match stat.type_ {
            DescriptorType::RegularFile
            | DescriptorType::Directory
            | DescriptorType::SymbolicLink => Ok(()),
            DescriptorType::BlockDevice
            | DescriptorType::CharacterDevice
            | DescriptorType::Fifo
            | DescriptorType::Socket
            | DescriptorType::Unknown => Err(ErrorCode::NotPermitted.into()),
        }
    }
}

impl preopens::Host for Metered<'_> {
    fn get_directories(&mut self) -> Result<Vec<(Fd, String)>> {
        let directories = preopens::Host::get_directories(&mut self.files())?;
        let paths = directories.iter().map(|(_, path)| path.len());
        self.meter.gave(paths.sum());
        Ok(directories)
    }
}

impl Host for Metered<'_> {
    fn convert_error_code(&mut self, error: FsError) -> Result<ErrorCode> {
        self.files().convert_error_code(error)
    }

    fn filesystem_error_code(
        &mut self,
        error: Resource<wasmtime::Error>,
    ) -> Result<Option<ErrorCode>> {
        self.files().filesystem_error_code(error)
    }
}

/// Operations that pass the texts in brackets, and give back a few bytes at most.
macro_rules! operations {
    ($( $name:ident($($arg:ident: $type:ty),*) passing [$($text:ident),*] -> $result:ty; )*) => { $(
        async fn $name(&mut self, $($arg: $type),*) -> $result {
            self.meter.file();
            $( self.meter.took($text.len()); )*
            self.files().$name($($arg),*).await
        }
    )* };
}

impl HostDescriptor for Metered<'_> {
    operations! {
        advise(fd: Fd, offset: Filesize, len: Filesize, advice: Advice) passing [] -> FsResult<()>;
        sync_data(fd: Fd) passing [] -> FsResult<()>;
        sync(fd: Fd) passing [] -> FsResult<()>;
        get_flags(fd: Fd) passing [] -> FsResult<DescriptorFlags>;
        get_type(fd: Fd) passing [] -> FsResult<DescriptorType>;
        set_size(fd: Fd, size: Filesize) passing [] -> FsResult<()>;
        set_times(fd: Fd, accessed: NewTimestamp, modified: NewTimestamp) passing []
            -> FsResult<()>;
        write(fd: Fd, bytes: Vec<u8>, offset: Filesize) passing [bytes] -> FsResult<Filesize>;
        create_directory_at(fd: Fd, path: String) passing [path] -> FsResult<()>;
        stat(fd: Fd) passing [] -> FsResult<DescriptorStat>;
        stat_at(fd: Fd, flags: PathFlags, path: String) passing [path] -> FsResult<DescriptorStat>;
        set_times_at(
            fd: Fd, flags: PathFlags, path: String, accessed: NewTimestamp, modified: NewTimestamp
        ) passing [path] -> FsResult<()>;
        link_at(fd: Fd, flags: PathFlags, old: String, to: Fd, new: String) passing [old, new]
            -> FsResult<()>;
        remove_directory_at(fd: Fd, path: String) passing [path] -> FsResult<()>;
        rename_at(fd: Fd, old: String, to: Fd, new: String) passing [old, new] -> FsResult<()>;
        symlink_at(fd: Fd, old: String, new: String) passing [old, new] -> FsResult<()>;
        unlink_file_at(fd: Fd, path: String) passing [path] -> FsResult<()>;
        is_same_object(a: Fd, b: Fd) passing [] -> Result<bool>;
        metadata_hash(fd: Fd) passing [] -> FsResult<MetadataHashValue>;
        metadata_hash_at(fd: Fd, flags: PathFlags, path: String) passing [path]
            -> FsResult<MetadataHashValue>;
    }

    /// WASI reads the whole directory at once and keeps it as long as the stream. So it counts as
    /// what the guest passes: one listing within what a call may pass, all of them within what all
    /// calls may.
    async fn read_directory(&mut self, fd: Fd) -> FsResult<Resource<DirectoryEntryStream>> {
        self.meter.file();
        if let Descriptor::Dir(directory) = self.table.get(&fd)? {
            let (directory, most) = (Arc::clone(&directory.dir), self.meter.allowed);
            let count = tokio::task::spawn_blocking(move || listed(&directory, most));
            let bytes = count
                .await
                .map_err(wasmtime::Error::from)
                .map_err(FsError::trap)?;
            if bytes > most {
                return Err(FsError::trap(self.meter.passed_too_much()));
            }
            self.meter.took(bytes);
        }
        self.files().read_directory(fd).await
    }

    async fn open_at(
        &mut self,
        fd: Fd,
        path_flags: PathFlags,
        path: String,
        open_flags: OpenFlags,
        flags: DescriptorFlags,
    ) -> FsResult<Fd> {
        self.meter.file();
        self.meter.took(path.len());
        let directory = Resource::new_borrow(fd.rep());
        self.refuse_special(directory, path_flags, path.clone())
            .await?;
        let mut files = self.files();
        files.open_at(fd, path_flags, path, open_flags, flags).await
    }

    async fn read(&mut self, fd: Fd, len: Filesize, at: Filesize) -> FsResult<(Vec<u8>, bool)> {
        self.meter.file();
        let (bytes, end) = self.files().read(fd, len, at).await?;
        self.meter.gave(bytes.len());
        Ok((bytes, end))
    }

    async fn readlink_at(&mut self, fd: Fd, path: String) -> FsResult<String> {
        self.meter.file();
        self.meter.took(path.len());
        let target = self.files().readlink_at(fd, path).await?;
        self.meter.gave(target.len());
        Ok(target)
    }

    // The stream is metered where it is read or written.
    fn read_via_stream(&mut self, fd: Fd, at: Filesize) -> FsResult<Resource<DynInputStream>> {
        self.files().read_via_stream(fd, at)
    }

    fn write_via_stream(&mut self, fd: Fd, at: Filesize) -> FsResult<Resource<DynOutputStream>> {
        self.files().write_via_stream(fd, at)
    }

    fn append_via_stream(&mut self, fd: Fd) -> FsResult<Resource<DynOutputStream>> {
        self.files().append_via_stream(fd)
    }

    fn drop(&mut self, fd: Fd) -> Result<()> {
        HostDescriptor::drop(&mut self.files(), fd)
    }
}

/// What the host holds for an entry beside its name, in bytes.
const ENTRY: usize = 64;

/// Bytes of a directory's listing, counted to a little over `most`. One that cannot be read has
/// none: WASI says why.
fn listed(directory: &File, most: usize) -> usize {
    let mut bytes = 0;
    for entry in Dir::read_from(directory).into_iter().flatten().flatten() {
        bytes += entry.file_name().to_bytes().len() + ENTRY;
        if bytes > most {
            break;
        }
    }
    bytes
}

impl HostDirectoryEntryStream for Metered<'_> {
    async fn read_directory_entry(
        &mut self,
        stream: Resource<DirectoryEntryStream>,
    ) -> FsResult<Option<DirectoryEntry>> {
        let entry = self.files().read_directory_entry(stream).await?;
        let name = entry.as_ref().map_or(0, |entry| entry.name.len());
        self.meter.gave(name);
        Ok(entry)
    }

    fn drop(&mut self, stream: Resource<DirectoryEntryStream>) -> Result<()> {
        HostDirectoryEntryStream::drop(&mut self.files(), stream)
    }
}
