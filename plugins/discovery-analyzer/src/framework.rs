//! Which framework the services of a repository are built on.

use crate::language::Language;
use crate::manifest::Manifest;

/// A dependency (with `*` at its end: any that begins so), and the framework that it is.
type Row = (&'static str, &'static str);

/// A framework comes before those that it is built on, or is used beside: the first one
/// that a manifest names is that manifest's.
const NODEJS: &[Row] = &[
    ("@nestjs/core", "nestjs"),
    ("next", "nextjs"),
    ("nuxt", "nuxt"),
    ("@remix-run/node", "remix"),
    ("@sveltejs/kit", "sveltekit"),
    ("@adonisjs/core", "adonisjs"),
    ("fastify", "fastify"),
    ("koa", "koa"),
    ("@hapi/hapi", "hapi"),
    ("hono", "hono"),
    ("express", "express"),
    ("react", "react"),
    ("vue", "vue"),
];

const PYTHON: &[Row] = &[
    ("django", "django"),
    ("fastapi", "fastapi"),
    ("litestar", "litestar"),
    ("sanic", "sanic"),
    ("aiohttp", "aiohttp"),
    ("tornado", "tornado"),
    ("pyramid", "pyramid"),
    ("flask", "flask"),
    ("starlette", "starlette"),
];

const RUST: &[Row] = &[
    ("loco-rs", "loco"),
    ("actix-web", "actix-web"),
    ("axum", "axum"),
    ("rocket", "rocket"),
    ("poem", "poem"),
    ("salvo", "salvo"),
    ("warp", "warp"),
    ("tonic", "tonic"),
];

const GO: &[Row] = &[
    ("github.com/gin-gonic/gin", "gin"),
    ("github.com/labstack/echo*", "echo"),
    ("github.com/gofiber/fiber*", "fiber"),
    ("github.com/go-chi/chi*", "chi"),
    ("github.com/beego/beego*", "beego"),
    ("github.com/gorilla/mux", "gorilla"),
    ("google.golang.org/grpc", "grpc"),
];

const JVM: &[Row] = &[
    ("org.springframework.boot", "spring-boot"),
    ("spring-boot*", "spring-boot"),
    ("io.quarkus*", "quarkus"),
    ("quarkus*", "quarkus"),
    ("io.micronaut*", "micronaut"),
    ("micronaut*", "micronaut"),
    ("ktor*", "ktor"),
    ("dropwizard*", "dropwizard"),
];

fn rows(language: Language) -> &'static [Row] {
    match language {
        Language::Nodejs => NODEJS,
        Language::Python => PYTHON,
        Language::Rust => RUST,
        Language::Go => GO,
        Language::Java | Language::Kotlin => JVM,
        Language::Ruby | Language::Php | Language::Dotnet => &[],
    }
}

/// The framework that most manifests of the language name; of equals, the one that comes
/// first in the table.
pub(crate) fn framework(language: Language, manifests: &[Manifest]) -> Option<&'static str> {
    let rows = rows(language);
    let named: Vec<usize> = manifests
        .iter()
        .filter(|manifest| language.shares_manifests_with(manifest.language))
        .filter_map(|manifest| {
            rows.iter()
                .position(|&(pattern, _)| names(manifest, pattern))
        })
        .collect();
    let votes = |framework: &str| {
        named
            .iter()
            .filter(|&&row| rows[row].1 == framework)
            .count()
    };
    let winner = named
        .iter()
        .max_by_key(|&&row| (votes(rows[row].1), std::cmp::Reverse(row)))?;
    Some(rows[*winner].1)
}

/// Whether a manifest names a dependency, or with `*` at its end one that begins so.
pub(crate) fn names(manifest: &Manifest, pattern: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(start) => manifest
            .dependencies
            .iter()
            .any(|name| name.starts_with(start)),
        None => manifest.dependencies.contains(pattern),
    }
}
