-- expect: RG506
UPDATE rlsguard.purpose SET opt_out = false WHERE purpose = 'marketing';
