//! What is held about a person, as message.

use proto::{auth::v1 as pb, course::v1 as course};

use crate::{
    domain::export::Export,
    grpc::encode::{profile, timestamp},
    model::export::HeldEnrollment,
    store::export::{HeldEvent, HeldLink, HeldMail, HeldSession},
};

/// Everything that is held about a person.
pub(crate) fn encode(export: Export) -> pb::PersonalData {
    let (held, user_id) = (export.held, export.user.id.to_string());
    let name = |(username, first_name, last_name)| course::Instructor {
        id: user_id,
        username,
        first_name,
        last_name,
    };
    let factor_since = export.user.factor_since.map(timestamp);
    let factor = held.factor.map(|factor| pb::HeldFactor {
        created_at: Some(timestamp(factor.created_at)),
        counts_since: factor_since,
        failures: i32::try_from(factor.failures).unwrap_or(i32::MAX),
        blocked_until: factor.blocked_until.map(timestamp),
        recovery_codes: held
            .recovery_codes
            .into_iter()
            .map(|used_at| pb::HeldRecoveryCode {
                used_at: used_at.map(timestamp),
            })
            .collect(),
    });
    pb::PersonalData {
        second_factor: factor,
        exported_at: Some(timestamp(export.exported_at)),
        verified_at: export.user.verified_at.map(timestamp),
        profile: Some(profile(export.user)),
        sessions: held.sessions.into_iter().map(session).collect(),
        links: held.links.into_iter().map(link).collect(),
        mails: held.mails.into_iter().map(mail).collect(),
        events: held.events.into_iter().map(event).collect(),
        names_in_courses: export.courses.names.map(name),
        courses_taught: export
            .courses
            .courses
            .into_iter()
            .map(|taught| course::TaughtCourse {
                id: taught.id.to_string(),
                slug: taught.slug,
                title: taught.title,
                state: taught.state,
                created_at: Some(timestamp(taught.created_at)),
                deleted_at: taught.deleted_at.map(timestamp),
            })
            .collect(),
        enrollments: export.courses.enrollments.into_iter().map(enrollment).collect(),
        cut: export.cut.into_iter().map(str::to_owned).collect(),
    }
}

fn enrollment(enrollment: HeldEnrollment) -> course::HeldEnrollment {
    course::HeldEnrollment {
        id: enrollment.id.to_string(),
        course: Some(course::EnrolledCourse {
            slug: enrollment.slug,
            title: enrollment.title,
        }),
        state: enrollment.state,
        price: enrollment.price,
        currency: enrollment.currency,
        enrolled_at: Some(timestamp(enrollment.enrolled_at)),
        updated_at: Some(timestamp(enrollment.updated_at)),
        payments: enrollment
            .payments
            .into_iter()
            .map(|(reference, confirmed_at)| course::HeldPayment {
                reference,
                confirmed_at: Some(timestamp(confirmed_at)),
            })
            .collect(),
    }
}

fn session(session: HeldSession) -> pb::HeldSession {
    pb::HeldSession {
        id: session.id.to_string(),
        user_agent: session.user_agent,
        ip_address: session.ip_address,
        factors: session.factors.split(' ').map(str::to_owned).collect(),
        auth_time: Some(timestamp(session.auth_time)),
        created_at: Some(timestamp(session.created_at)),
        last_used_at: Some(timestamp(session.last_used_at)),
        expires_at: Some(timestamp(session.expires_at)),
        ended_at: session.ended_at.map(timestamp),
        end_reason: session.end_reason,
    }
}

fn link(link: HeldLink) -> pb::HeldLink {
    pb::HeldLink {
        purpose: link.purpose,
        username: link.username,
        created_at: Some(timestamp(link.created_at)),
        expires_at: Some(timestamp(link.expires_at)),
        used_at: link.used_at.map(timestamp),
    }
}

fn mail(mail: HeldMail) -> pb::HeldMail {
    pb::HeldMail {
        kind: mail.kind,
        state: mail.state,
        recipient: mail.recipient,
        created_at: Some(timestamp(mail.created_at)),
        finished_at: mail.finished_at.map(timestamp),
    }
}

fn event(event: HeldEvent) -> pb::HeldEvent {
    pb::HeldEvent {
        time: Some(timestamp(event.time)),
        severity: event.severity,
        kind: event.kind,
        by_you: event.by_them,
        about_you: event.about_them,
        ip_address: event.ip_address,
        detail: event.detail,
    }
}
