//! The sums of today's spends, for the limits that campaigns share.

use super::*;
use crate::domain::observation::{SharedSpends, SpendSum};

const CAMPAIGNS: &str = "
    INSERT INTO campaigns (id, name, trafficstar_id, generator_enabled, group_name) VALUES
        (1, 'one', 995224, true, 'shoes'), (2, 'two', 995225, true, 'shoes'), (3, 'three', 995226, false, 'shoes'),
        (4, 'four', 995227, true, NULL), (5, 'five', 995228, true, 'hats');";

fn spend(campaign: i64, remote: i64, amount: &str, at: DateTime<Utc>) -> SpendRow {
    let (amount, source, day) = (amount.parse().unwrap(), SpendSource::Campaign, at.date_naive());
    SpendRow { campaign: CampaignId(campaign), remote: RemoteId(remote), spend: Spend { amount, source, day, at } }
}

fn sum(amount: &str, campaigns: u64, unknown: u64) -> SpendSum {
    SpendSum { amount: amount.parse().unwrap(), campaigns, unknown }
}

#[test]
fn the_spends_of_the_other_campaigns_of_the_group_and_of_the_account_are_summed() {
    on_every_store(async |database, store| {
        database.execute(CAMPAIGNS);
        let yesterday = noon() - Duration::days(1);
        let spends = [
            spend(1, 995_224, "1", noon()),
            spend(2, 995_225, "2", noon()),
            // An old value counts, as an unknown one.
            spend(3, 995_226, "4", noon() - Duration::hours(1)),
            // This one was linked to another campaign at TrafficStars.
            spend(4, 1, "8", noon()),
            spend(5, 995_228, "16", yesterday),
        ];
        store.save_spends(spends.to_vec()).await.unwrap();
        let (day, current_since) = (noon().date_naive(), noon() - Duration::minutes(30));
        let sums = store.spend_sums(day, current_since).await.unwrap();
        let cases = [
            (1, "1", Some("shoes"), sum("6", 2, 1), sum("6", 4, 3)),
            (3, "4", Some("shoes"), sum("3", 2, 0), sum("3", 4, 2)),
            (4, "0", None, SpendSum::default(), sum("7", 4, 2)),
            (5, "0", Some("hats"), SpendSum::default(), sum("7", 4, 2)),
            // A campaign that changes its group is not yet in the sum of the new one.
            (4, "0", Some("shoes"), sum("7", 3, 1), sum("7", 4, 2)),
        ];
        for (id, own, name, group, account) in cases {
            let expected = SharedSpends { day, own: own.parse().unwrap(), group, account };
            assert_eq!(sums.of_others(CampaignId(id), name), expected, "campaign {id} in {name:?}");
        }
    });
}
