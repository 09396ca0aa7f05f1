//! The tables as diesel sees them: one description for both databases. `migrations/` has the SQL for each database.

diesel::table! {
    campaigns (id) {
        id -> BigInt,
        name -> Text,
        trafficstar_id -> BigInt,
        generator_enabled -> Bool,
        mode -> Nullable<Text>,
        spend_limit_micros -> Nullable<BigInt>,
        activate_clicks -> Nullable<BigInt>,
        pause_clicks -> Nullable<BigInt>,
        cooldown_seconds -> Nullable<BigInt>,
        high_spend -> Nullable<Text>,
        price_per_thousand_micros -> Nullable<BigInt>,
        implausible_clicks -> Nullable<BigInt>,
        high_activate_clicks -> Nullable<BigInt>,
        high_pause_clicks -> Nullable<BigInt>,
        top_up_ceiling_micros -> Nullable<BigInt>,
        daily_budget_micros -> Nullable<BigInt>,
        group_name -> Nullable<Text>,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    urls (id) {
        id -> BigInt,
        campaign_id -> BigInt,
        name -> Text,
        target_url -> Text,
        click_limit -> BigInt,
        clicks -> BigInt,
        status -> Text,
        created_at -> Timestamp,
        updated_at -> Timestamp,
    }
}

diesel::table! {
    promises (campaign_id) {
        campaign_id -> BigInt,
        trafficstar_id -> BigInt,
        phase -> Text,
        since -> Timestamp,
        cooling_down_until -> Nullable<Timestamp>,
        end_time_owed -> Bool,
        stored_at -> Timestamp,
    }
}

diesel::table! {
    day_budgets (campaign_id) {
        campaign_id -> BigInt,
        trafficstar_id -> BigInt,
        day -> Date,
        is_observed -> Bool,
        is_set_back -> Bool,
        wait_until -> Nullable<Timestamp>,
        is_paused -> Bool,
        counted -> Nullable<Text>,
        gathering_until -> Nullable<Timestamp>,
        gathered -> Nullable<Text>,
        sent_micros -> Nullable<BigInt>,
        sent_counted -> Nullable<Text>,
    }
}

diesel::table! {
    journal (id) {
        id -> BigInt,
        campaign_id -> BigInt,
        trafficstar_id -> BigInt,
        kind -> Text,
        trigger -> Text,
        reason -> Text,
        spend_micros -> Nullable<BigInt>,
        remaining_clicks -> Nullable<BigInt>,
        remote_status -> Text,
        state_before -> Text,
        state_after -> Text,
        end_time -> Timestamp,
        by -> Nullable<Text>,
        late -> Bool,
        requested_at -> Timestamp,
        epoch -> Nullable<BigInt>,
        budget_before_micros -> Nullable<BigInt>,
        budget_after_micros -> Nullable<BigInt>,
        budget_parts -> Nullable<Text>,
    }
}

diesel::table! {
    journal_steps (journal_id) {
        journal_id -> BigInt,
        step -> Text,
        accepted_at -> Nullable<Timestamp>,
        confirmed_at -> Nullable<Timestamp>,
        failed_at -> Nullable<Timestamp>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    spends (campaign_id, day) {
        campaign_id -> BigInt,
        day -> Date,
        trafficstar_id -> BigInt,
        amount_micros -> BigInt,
        source -> Text,
        at -> Timestamp,
    }
}

diesel::table! {
    holds (campaign_id) {
        campaign_id -> BigInt,
        reason -> Nullable<Text>,
        since -> Timestamp,
        until -> Nullable<Timestamp>,
        by -> Nullable<Text>,
        pause -> Bool,
    }
}

diesel::table! {
    hold_on_all (id) {
        id -> BigInt,
        reason -> Nullable<Text>,
        since -> Timestamp,
        until -> Nullable<Timestamp>,
        by -> Nullable<Text>,
        pause -> Bool,
    }
}

diesel::table! {
    // diesel_migrations creates this table, but does not export its description.
    __diesel_schema_migrations (version) {
        version -> Text,
    }
}

diesel::joinable!(promises -> campaigns (campaign_id));
diesel::joinable!(journal_steps -> journal (journal_id));
diesel::table! {
    requests_sent (unix_second) {
        unix_second -> BigInt,
        requests -> BigInt,
    }
}

diesel::table! {
    occasions (id) {
        id -> BigInt,
        campaign_id -> BigInt,
        campaign_name -> Nullable<Text>,
        trafficstar_id -> Nullable<BigInt>,
        kind -> Text,
        detail -> Text,
        severity -> Text,
        text -> Text,
        lasts -> Bool,
        since -> Timestamp,
        resolved_at -> Nullable<Timestamp>,
        acked_at -> Nullable<Timestamp>,
        acked_by -> Nullable<Text>,
        settled -> Bool,
    }
}

diesel::table! {
    alert_deliveries (occasion_id, receiver) {
        occasion_id -> BigInt,
        receiver -> Text,
        step -> Text,
        reminders -> BigInt,
        message_id -> Text,
        gathered_at -> Timestamp,
        attempts -> BigInt,
        last_sent_at -> Nullable<Timestamp>,
        next_attempt_at -> Nullable<Timestamp>,
        delivered_at -> Nullable<Timestamp>,
        given_up_at -> Nullable<Timestamp>,
        error -> Nullable<Text>,
    }
}

diesel::table! {
    alert_receivers (name) {
        name -> Text,
        since -> Timestamp,
        disabled_at -> Nullable<Timestamp>,
        failing_since -> Nullable<Timestamp>,
        last_error -> Nullable<Text>,
        delivered_at -> Nullable<Timestamp>,
        lost -> BigInt,
    }
}

diesel::table! {
    alert_mutes (campaign_id) {
        campaign_id -> BigInt,
        since -> Timestamp,
        until -> Timestamp,
        reason -> Nullable<Text>,
        by -> Nullable<Text>,
    }
}

diesel::allow_tables_to_appear_in_same_query!(alert_deliveries, occasions);
diesel::allow_tables_to_appear_in_same_query!(campaigns, promises);
diesel::allow_tables_to_appear_in_same_query!(campaigns, spends);
diesel::allow_tables_to_appear_in_same_query!(journal, journal_steps);
