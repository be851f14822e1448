//! Which database a repository keeps its data in.

use std::collections::BTreeMap;

use crate::compose;
use crate::framework::names;
use crate::manifest::Manifest;
use crate::tree::{Tree, split};

/// A database that the analyzer knows. In the order that breaks a tie.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Database {
    Postgresql,
    Mysql,
    Mariadb,
    Mongodb,
    Sqlserver,
    Cassandra,
    Dynamodb,
    Sqlite,
    Redis,
}

impl Database {
    fn name(self) -> &'static str {
        match self {
            Self::Postgresql => "postgresql",
            Self::Mysql => "mysql",
            Self::Mariadb => "mariadb",
            Self::Mongodb => "mongodb",
            Self::Sqlserver => "sqlserver",
            Self::Cassandra => "cassandra",
            Self::Dynamodb => "dynamodb",
            Self::Sqlite => "sqlite",
            Self::Redis => "redis",
        }
    }

    /// What is most often beside the main database (tests on SQLite, a cache in Redis)
    /// counts only where there is no other.
    fn is_main(self) -> bool {
        !matches!(self, Self::Sqlite | Self::Redis)
    }
}

use Database::{
    Cassandra, Dynamodb, Mariadb, Mongodb, Mysql, Postgresql, Redis, Sqlite, Sqlserver,
};

/// A dependency of any ecosystem (with `*` at its end: any that begins so), and the
/// database that it talks to.
const DRIVERS: &[(&str, Database)] = &[
    ("pg", Postgresql),
    ("pg-promise", Postgresql),
    ("postgres", Postgresql),
    ("@prisma/adapter-pg", Postgresql),
    ("psycopg", Postgresql),
    ("psycopg2", Postgresql),
    ("psycopg2-binary", Postgresql),
    ("asyncpg", Postgresql),
    ("tokio-postgres", Postgresql),
    ("sqlx/postgres", Postgresql),
    ("diesel/postgres", Postgresql),
    ("sea-orm/sqlx-postgres", Postgresql),
    ("github.com/lib/pq", Postgresql),
    ("github.com/jackc/pgx*", Postgresql),
    ("gorm.io/driver/postgres", Postgresql),
    ("postgresql", Postgresql),
    ("quarkus-jdbc-postgresql", Postgresql),
    ("mysql", Mysql),
    ("mysql2", Mysql),
    ("mysqlclient", Mysql),
    ("pymysql", Mysql),
    ("aiomysql", Mysql),
    ("mysql_async", Mysql),
    ("sqlx/mysql", Mysql),
    ("diesel/mysql", Mysql),
    ("sea-orm/sqlx-mysql", Mysql),
    ("github.com/go-sql-driver/mysql", Mysql),
    ("gorm.io/driver/mysql", Mysql),
    ("mysql-connector*", Mysql),
    ("mariadb", Mariadb),
    ("mariadb-java-client", Mariadb),
    ("mongodb", Mongodb),
    ("mongoose", Mongodb),
    ("pymongo", Mongodb),
    ("motor", Mongodb),
    ("mongoengine", Mongodb),
    ("go.mongodb.org/mongo-driver*", Mongodb),
    ("spring-boot-starter-data-mongodb*", Mongodb),
    ("mssql", Sqlserver),
    ("pyodbc", Sqlserver),
    ("tiberius", Sqlserver),
    ("mssql-jdbc", Sqlserver),
    ("cassandra-driver", Cassandra),
    ("scylla", Cassandra),
    ("@aws-sdk/client-dynamodb", Dynamodb),
    ("aws-sdk-dynamodb", Dynamodb),
    ("sqlite3", Sqlite),
    ("better-sqlite3", Sqlite),
    ("aiosqlite", Sqlite),
    ("rusqlite", Sqlite),
    ("sqlx/sqlite", Sqlite),
    ("diesel/sqlite", Sqlite),
    ("github.com/mattn/go-sqlite3", Sqlite),
    ("gorm.io/driver/sqlite", Sqlite),
    ("sqlite-jdbc", Sqlite),
    ("redis", Redis),
    ("ioredis", Redis),
    ("github.com/redis/go-redis*", Redis),
    ("github.com/go-redis/redis*", Redis),
    ("spring-boot-starter-data-redis*", Redis),
];

/// The name of a container's image, without registry and tag.
const IMAGES: &[(&str, Database)] = &[
    ("postgres", Postgresql),
    ("postgresql", Postgresql),
    ("postgis", Postgresql),
    ("timescaledb", Postgresql),
    ("pgvector", Postgresql),
    ("mysql", Mysql),
    ("mariadb", Mariadb),
    ("mongo", Mongodb),
    ("mongodb", Mongodb),
    ("cassandra", Cassandra),
    ("redis", Redis),
    ("valkey", Redis),
];

/// How a connection's address begins, in examples of the environment and Prisma's schema.
const ADDRESSES: &[(&str, Database)] = &[
    ("postgres://", Postgresql),
    ("postgresql://", Postgresql),
    ("postgresql+", Postgresql),
    ("provider = \"postgresql\"", Postgresql),
    ("mysql://", Mysql),
    ("mysql+", Mysql),
    ("provider = \"mysql\"", Mysql),
    ("mariadb://", Mariadb),
    ("mongodb://", Mongodb),
    ("mongodb+srv://", Mongodb),
    ("sqlite:", Sqlite),
    ("redis://", Redis),
];

/// The database that the most places name: manifests, compose files, examples of the
/// environment, Prisma's schema.
pub(crate) fn database(tree: &Tree, manifests: &[Manifest]) -> Option<&'static str> {
    let mut votes: BTreeMap<Database, usize> = BTreeMap::new();
    let mut vote = |database| *votes.entry(database).or_default() += 1;

    for manifest in manifests {
        for (_, database) in DRIVERS
            .iter()
            .filter(|&&(pattern, _)| names(manifest, pattern))
        {
            vote(*database);
        }
    }
    for image in compose::services(tree)
        .iter()
        .filter_map(|service| service.image.as_deref())
    {
        let name = split(image).1.split([':', '@']).next().unwrap_or_default();
        for (_, database) in IMAGES.iter().filter(|&&(image, _)| image == name) {
            vote(*database);
        }
    }
    for text in settings(tree) {
        for (_, database) in ADDRESSES.iter().filter(|&&(start, _)| text.contains(start)) {
            vote(*database);
        }
    }
    votes
        .into_iter()
        .max_by_key(|&(database, count)| (database.is_main(), count, std::cmp::Reverse(database)))
        .map(|(database, _)| database.name())
}

/// Texts of the files at most one folder down that name a connection.
fn settings(tree: &Tree) -> impl Iterator<Item = String> {
    const NAMES: [&str; 5] = [
        ".env.example",
        ".env.sample",
        ".env.template",
        "env.example",
        "schema.prisma",
    ];
    tree.files()
        .filter(|path| path.matches('/').count() <= 1 && NAMES.contains(&split(path).1))
        .filter_map(|path| tree.read(path))
}
