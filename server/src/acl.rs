//! Who may read an object, in the three ways in which S3 says it: a canned ACL, headers with grants, and an XML document.
//!
//! There are two ACLs here: private, and readable by anyone. What says exactly one of them is taken, however it says it;
//! what means something else is refused with `NotImplemented`, never taken for its neighbour. The owner of a bucket owns
//! its objects and has full control of them whatever is granted, so grants to the owner change nothing.

use http::HeaderMap;
use moraine_engine::{Acl, Tenant, TenantId};
use s3s::dto::{AccessControlPolicy, Grant, Grantee, Owner, Permission, Type};
use s3s::{S3Result, s3_error};

/// The group of everybody.
const ALL_USERS: &str = "http://acs.amazonaws.com/groups/global/AllUsers";
/// The headers with grants, and what they grant.
const GRANT_HEADERS: [(&str, &str); 5] = [
    ("x-amz-grant-full-control", Permission::FULL_CONTROL),
    ("x-amz-grant-read", Permission::READ),
    ("x-amz-grant-read-acp", Permission::READ_ACP),
    ("x-amz-grant-write", Permission::WRITE),
    ("x-amz-grant-write-acp", Permission::WRITE_ACP),
];
/// Grants in one ACL: what S3 allows.
const GRANTS_MAX: usize = 100;

/// The ACL in the headers of a request, if they hold one. `owner` is the tenant who signed it.
pub fn from_headers(headers: &HeaderMap, owner: TenantId) -> S3Result<Option<Acl>> {
    let canned = canned(headers)?;
    let granted = granted(headers, owner)?;
    if canned.is_some() && granted.is_some() {
        return Err(s3_error!(
            InvalidRequest,
            "Specifying both Canned ACLs and Header Grants is not allowed"
        ));
    }
    Ok(canned.or(granted))
}

/// The ACL that a request to change one asks for: in its headers or in its body, not in both.
pub fn from_request(
    headers: &HeaderMap,
    policy: Option<&AccessControlPolicy>,
    owner: TenantId,
) -> S3Result<Acl> {
    match (from_headers(headers, owner)?, policy) {
        (Some(acl), None) => Ok(acl),
        (None, Some(policy)) => from_policy(policy, owner),
        (Some(_), Some(_)) => Err(s3_error!(
            UnexpectedContent,
            "This request does not support content"
        )),
        (None, None) => Err(s3_error!(
            MissingSecurityHeader,
            "Your request was missing a required header"
        )),
    }
}

/// The ACL in an XML document.
pub fn from_policy(policy: &AccessControlPolicy, owner: TenantId) -> S3Result<Acl> {
    let malformed = || s3_error!(MalformedACLError);
    let named = policy.owner.as_ref().and_then(|it| it.id.as_deref());
    if named.ok_or_else(malformed)? != owner.to_string() {
        return Err(s3_error!(AccessDenied));
    }
    let grants = policy.grants.as_deref().unwrap_or_default();
    if grants.len() > GRANTS_MAX {
        return Err(malformed());
    }
    let mut acl = Acl::Private;
    for grant in grants {
        let grantee = grant.grantee.as_ref().ok_or_else(malformed)?;
        let permission = grant.permission.as_ref().ok_or_else(malformed)?;
        let who = match grantee.type_.as_str() {
            Type::CANONICAL_USER => Who::Id(grantee.id.as_deref().ok_or_else(malformed)?),
            Type::GROUP => Who::Group(grantee.uri.as_deref().ok_or_else(malformed)?),
            Type::AMAZON_CUSTOMER_BY_EMAIL => Who::Email,
            _ => return Err(malformed()),
        };
        grant_one(&mut acl, who, permission.as_str(), owner)?;
    }
    Ok(acl)
}

/// The grants that an ACL stands for.
pub fn grants(acl: Acl, owner: &Tenant) -> Vec<Grant> {
    let grant = |grantee, permission| Grant {
        grantee: Some(grantee),
        permission: Some(Permission::from_static(permission)),
    };
    let to_owner = Grantee {
        display_name: Some(owner.name.clone()),
        email_address: None,
        id: Some(owner.id.to_string()),
        type_: Type::from_static(Type::CANONICAL_USER),
        uri: None,
    };
    let mut grants = vec![grant(to_owner, Permission::FULL_CONTROL)];
    if acl == Acl::PublicRead {
        let everybody = Grantee {
            display_name: None,
            email_address: None,
            id: None,
            type_: Type::from_static(Type::GROUP),
            uri: Some(ALL_USERS.to_owned()),
        };
        grants.push(grant(everybody, Permission::READ));
    }
    grants
}

/// A tenant as owner.
pub fn owner(tenant: &Tenant) -> Owner {
    Owner {
        display_name: Some(tenant.name.clone()),
        id: Some(tenant.id.to_string()),
    }
}

/// The canned ACL. Those that open an object to anyone with an account are refused: there is no such thing here.
fn canned(headers: &HeaderMap) -> S3Result<Option<Acl>> {
    match headers.get("x-amz-acl").map(|value| value.as_bytes()) {
        None | Some(b"") => Ok(None),
        // The owner of a bucket owns every object in it.
        Some(b"private" | b"bucket-owner-full-control" | b"bucket-owner-read") => {
            Ok(Some(Acl::Private))
        }
        Some(b"public-read") => Ok(Some(Acl::PublicRead)),
        Some(
            b"public-read-write" | b"authenticated-read" | b"aws-exec-read" | b"log-delivery-write",
        ) => Err(s3_error!(
            NotImplemented,
            "this canned ACL is not implemented: an object is private or public-read"
        )),
        Some(_) => Err(s3_error!(InvalidArgument, "x-amz-acl is not a canned ACL")),
    }
}

/// The ACL that the headers with grants add up to, if there is one.
fn granted(headers: &HeaderMap, owner: TenantId) -> S3Result<Option<Acl>> {
    let mut acl = None;
    let mut count = 0;
    for (name, permission) in GRANT_HEADERS {
        for value in headers.get_all(name) {
            let value = value.to_str().map_err(|_| not_a_grant(name))?;
            for grantee in value.split(',').map(str::trim) {
                count += 1;
                let who = Who::parse(grantee).ok_or_else(|| not_a_grant(name))?;
                let acl = acl.get_or_insert(Acl::Private);
                grant_one(acl, who, permission, owner)?;
            }
        }
    }
    if count > GRANTS_MAX {
        return Err(s3_error!(InvalidArgument, "too many grants"));
    }
    Ok(acl)
}

fn not_a_grant(name: &str) -> s3s::S3Error {
    s3_error!(
        InvalidArgument,
        "{name} is not a list of id=, uri= and emailAddress= grantees"
    )
}

/// Who is granted something.
enum Who<'a> {
    Id(&'a str),
    Group(&'a str),
    Email,
}

impl<'a> Who<'a> {
    /// A grantee as a header names it: `uri="..."`, with or without quotes.
    fn parse(text: &'a str) -> Option<Self> {
        let (kind, value) = text.split_once('=')?;
        let value = value.trim();
        let value = match value.strip_prefix('"') {
            Some(rest) => rest.strip_suffix('"')?,
            None => value,
        };
        if value.is_empty() {
            return None;
        }
        match kind.trim() {
            kind if kind.eq_ignore_ascii_case("id") => Some(Self::Id(value)),
            kind if kind.eq_ignore_ascii_case("uri") => Some(Self::Group(value)),
            kind if kind.eq_ignore_ascii_case("emailAddress") => Some(Self::Email),
            _ => None,
        }
    }
}

/// Adds one grant to an ACL.
fn grant_one(acl: &mut Acl, who: Who<'_>, permission: &str, owner: TenantId) -> S3Result<()> {
    let known = GRANT_HEADERS.iter().any(|(_, it)| *it == permission);
    match who {
        _ if !known => Err(s3_error!(MalformedACLError)),
        Who::Id(id) if id == owner.to_string() => Ok(()),
        Who::Group(ALL_USERS) if permission == Permission::READ => {
            *acl = Acl::PublicRead;
            Ok(())
        }
        Who::Id(_) | Who::Group(_) | Who::Email => Err(s3_error!(
            NotImplemented,
            "this grant is not implemented: an object is private, or anyone may read it"
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderName;

    const OWNER: TenantId = TenantId(7);

    fn header(name: &'static str, value: &str) -> HeaderMap {
        HeaderMap::from_iter([(HeaderName::from_static(name), value.parse().unwrap())])
    }

    fn said(result: S3Result<Option<Acl>>) -> Result<Option<Acl>, String> {
        result.map_err(|error| error.code().as_str().to_owned())
    }

    fn is(name: &'static str, value: &str, expected: Result<Option<Acl>, &str>) {
        let found = said(from_headers(&header(name, value), OWNER));
        assert_eq!(found, expected.map_err(str::to_owned), "{name}: {value}");
    }

    #[test]
    fn canned_acls() {
        is("x-amz-acl", "", Ok(None));
        is("x-amz-acl", "private", Ok(Some(Acl::Private)));
        is(
            "x-amz-acl",
            "bucket-owner-full-control",
            Ok(Some(Acl::Private)),
        );
        is("x-amz-acl", "public-read", Ok(Some(Acl::PublicRead)));
        is("x-amz-acl", "public-read-write", Err("NotImplemented"));
        is("x-amz-acl", "authenticated-read", Err("NotImplemented"));
        is("x-amz-acl", "everybody", Err("InvalidArgument"));
        assert_eq!(said(from_headers(&HeaderMap::new(), OWNER)), Ok(None));
    }

    #[test]
    fn grant_headers() {
        let all = format!("uri=\"{ALL_USERS}\"");
        let mine = format!("id={OWNER}");
        let read = "x-amz-grant-read";
        is(read, &all, Ok(Some(Acl::PublicRead)));
        is(read, &format!("{mine} , {all}"), Ok(Some(Acl::PublicRead)));
        is(read, &mine, Ok(Some(Acl::Private)));
        is("x-amz-grant-full-control", &mine, Ok(Some(Acl::Private)));
        is("x-amz-grant-full-control", &all, Err("NotImplemented"));
        is("x-amz-grant-write-acp", &all, Err("NotImplemented"));
        is(read, "id=8", Err("NotImplemented"));
        is(read, "emailAddress=\"a@b.c\"", Err("NotImplemented"));
        let users = "uri=\"http://acs.amazonaws.com/groups/global/AuthenticatedUsers\"";
        is(read, users, Err("NotImplemented"));
        for bad in ["", "uri", "uri=", "uri=\"x", "name=x", &format!("{all},")] {
            is(read, bad, Err("InvalidArgument"));
        }
        let mut both = header(read, &all);
        both.insert("x-amz-acl", "public-read".parse().unwrap());
        assert_eq!(
            said(from_headers(&both, OWNER)),
            Err("InvalidRequest".to_owned())
        );
    }

    fn tenant() -> Tenant {
        Tenant {
            id: OWNER,
            name: "one".to_owned(),
            created_ms: 0,
        }
    }

    #[test]
    fn what_is_said_of_an_acl_is_understood_again() {
        for acl in [Acl::Private, Acl::PublicRead] {
            let policy = AccessControlPolicy {
                grants: Some(grants(acl, &tenant())),
                owner: Some(owner(&tenant())),
            };
            assert_eq!(from_policy(&policy, OWNER).unwrap(), acl);
            assert_eq!(
                from_policy(&policy, TenantId(8))
                    .unwrap_err()
                    .code()
                    .as_str(),
                "AccessDenied"
            );
        }
    }

    #[test]
    fn documents_that_are_none() {
        let code = |grants, owner| {
            let policy = AccessControlPolicy { grants, owner };
            let error = from_policy(&policy, OWNER).unwrap_err();
            error.code().as_str().to_owned()
        };
        let mine = || Some(owner(&tenant()));
        assert_eq!(code(None, None), "MalformedACLError");
        let grant = grants(Acl::PublicRead, &tenant()).remove(1);
        let with = |change: fn(&mut Grant)| {
            let mut grant = grant.clone();
            change(&mut grant);
            code(Some(vec![grant]), mine())
        };
        assert_eq!(with(|it| it.permission = None), "MalformedACLError");
        assert_eq!(with(|it| it.grantee = None), "MalformedACLError");
        let odd = |it: &mut Grant| it.permission = Some(Permission::from_static("SING"));
        assert_eq!(with(odd), "MalformedACLError");
        let write = |it: &mut Grant| it.permission = Some(Permission::from_static("WRITE"));
        assert_eq!(with(write), "NotImplemented");
        let many = vec![grant.clone(); GRANTS_MAX + 1];
        assert_eq!(code(Some(many), mine()), "MalformedACLError");
    }
}
