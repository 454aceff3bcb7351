BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('20261124');
CREATE TABLE calibrations (
	id VARCHAR(32) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	created_at DATETIME NOT NULL, 
	status VARCHAR(200) NOT NULL, 
	task JSON NOT NULL, 
	task_fingerprint VARCHAR(200), 
	device_id VARCHAR(200), 
	device_tag VARCHAR(200) NOT NULL, 
	budget_seconds DOUBLE NOT NULL, 
	spent_seconds DOUBLE NOT NULL, 
	started_at DATETIME, 
	finished_at DATETIME, 
	cancel_requested BOOLEAN NOT NULL, 
	recommendation_id VARCHAR(32), 
	error VARCHAR, 
	CONSTRAINT pk_calibrations PRIMARY KEY (id), 
	CONSTRAINT fk_calibrations_device_id FOREIGN KEY(device_id) REFERENCES devices (id), 
	CONSTRAINT fk_calibrations_recommendation_id FOREIGN KEY(recommendation_id) REFERENCES recommendations (id)
);
INSERT INTO "calibrations" VALUES('9cd096a951f8482a9206f447f7e53480','local','2026-11-24 15:07:42.713631','succeeded','{"name": "shop", "kind": "interactions", "data": {"path": "orders.csv", "format": null, "columns": {"user": null, "item": null, "time": null, "token": null, "label": null, "text": null, "hidden": null, "split": null}, "split": null, "tokenizer": "word", "vocabulary_size": null, "labels": null, "label_separator": null, "ngrams": "words", "hash_size": 65536}, "statistics": null, "metric": "ndcg@10", "model": {"embedding_dim": 64, "bias": true, "sequence_length": 50, "n_layers": 2, "n_heads": 2, "dropout": 0.2, "encoder": "linear", "hidden_units": 256}, "training": {"batch_size": 512, "optimiser": "adam", "dtype": "float32"}, "horizon": {"epochs": 20.0, "seconds": null}, "constraints": {"peak_memory_gib": null, "probabilities": "optional", "inner_product_serving": false}, "losses": {"include": null, "exclude": [], "settings": {}}, "baseline": {"loss": "softmax", "settings": {}}, "trade": {"speed": 0.01, "memory": 0.0}, "twin_signal": 0.5}','shop-data','laptop','cpu',60.0,0.0,'2026-11-24 15:07:42.738583','2026-11-24 15:07:43.155541',0,'e9f0f212a0934355a0f54074f02eefbc',NULL);
INSERT INTO "calibrations" VALUES('0aea894e6082484e9fa9b2dba6a66431','local','2026-11-24 15:07:43.291619','queued','{"name": "shop", "kind": "interactions", "data": {"path": "orders.csv", "format": null, "columns": {"user": null, "item": null, "time": null, "token": null, "label": null, "text": null, "hidden": null, "split": null}, "split": null, "tokenizer": "word", "vocabulary_size": null, "labels": null, "label_separator": null, "ngrams": "words", "hash_size": 65536}, "statistics": null, "metric": "ndcg@10", "model": {"embedding_dim": 64, "bias": true, "sequence_length": 50, "n_layers": 2, "n_heads": 2, "dropout": 0.2, "encoder": "linear", "hidden_units": 256}, "training": {"batch_size": 512, "optimiser": "adam", "dtype": "float32"}, "horizon": {"epochs": 20.0, "seconds": null}, "constraints": {"peak_memory_gib": null, "probabilities": "optional", "inner_product_serving": false}, "losses": {"include": null, "exclude": [], "settings": {}}, "baseline": {"loss": "softmax", "settings": {}}, "trade": {"speed": 0.01, "memory": 0.0}, "twin_signal": 0.5}',NULL,NULL,'cpu',60.0,0.0,NULL,NULL,0,NULL,NULL);
CREATE TABLE devices (
	id VARCHAR(200) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	name VARCHAR NOT NULL, 
	kind VARCHAR(200) NOT NULL, 
	n_threads INTEGER NOT NULL, 
	memory_bytes BIGINT NOT NULL, 
	software JSON NOT NULL, 
	created_at DATETIME NOT NULL, 
	CONSTRAINT pk_devices PRIMARY KEY (id)
);
INSERT INTO "devices" VALUES('laptop','local','two cores','cpu',2,25769803776,'{"torch": "2.13.0"}','2026-11-24 15:07:42.643983');
CREATE TABLE legs (
	id VARCHAR(32) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	trial_id VARCHAR(32) NOT NULL, 
	status VARCHAR(200) NOT NULL, 
	from_examples BIGINT NOT NULL, 
	until_examples BIGINT NOT NULL, 
	checkpoints JSON NOT NULL, 
	leased_at DATETIME NOT NULL, 
	told_at DATETIME, 
	told_order INTEGER, 
	outcome VARCHAR(200), 
	examples BIGINT, 
	train_seconds DOUBLE, 
	wall_seconds DOUBLE, 
	peak_bytes BIGINT, 
	detail VARCHAR, 
	CONSTRAINT pk_legs PRIMARY KEY (id), 
	CONSTRAINT fk_legs_trial_id FOREIGN KEY(trial_id) REFERENCES trials (id), 
	CONSTRAINT uq_legs_trial_id_from_examples_until_examples UNIQUE (trial_id, from_examples, until_examples)
);
INSERT INTO "legs" VALUES('27554995f1604a2185c06f6ae5ea8ac3','local','4bb3053140f2424b95e39e2eb7e4b349','told',0,100,'[50, 100]','2026-11-24 15:07:42.802300','2026-11-24 15:07:42.844071',1,'completed',100,1.0,1.25,8589934592,NULL);
INSERT INTO "legs" VALUES('340c01133b754e378570761b0aa9e47d','local','4bb3053140f2424b95e39e2eb7e4b349','told',100,200,'[150, 200]','2026-11-24 15:07:42.906208','2026-11-24 15:07:42.917782',2,'completed',200,1.0,1.25,8589934592,NULL);
INSERT INTO "legs" VALUES('8e9455b4321f4593aafbea8252dfdb76','local','8b0dff4679af436dbfc8fa6acf3df244','told',0,100,'[50, 100]','2026-11-24 15:07:42.953106','2026-11-24 15:07:42.965541',3,'completed',100,1.0,1.25,8589934592,NULL);
INSERT INTO "legs" VALUES('7bd06a1bca5046beabc2825f9924266f','local','8b0dff4679af436dbfc8fa6acf3df244','told',100,200,'[150, 200]','2026-11-24 15:07:42.977251','2026-11-24 15:07:42.978454',4,'completed',200,1.0,1.25,8589934592,NULL);
INSERT INTO "legs" VALUES('970a2433f5c24f9f8ea5b55f7221356b','local','6280d95c951248f9bbc0b6cc21fe5161','told',0,100,'[50, 100]','2026-11-24 15:07:43.018108','2026-11-24 15:07:43.031839',5,'completed',100,1.0,1.25,8589934592,NULL);
INSERT INTO "legs" VALUES('48057a2a9f704bf98a4be0e56c4d0863','local','6280d95c951248f9bbc0b6cc21fe5161','told',100,200,'[150, 200]','2026-11-24 15:07:43.049470','2026-11-24 15:07:43.050657',6,'completed',200,1.0,1.25,8589934592,NULL);
INSERT INTO "legs" VALUES('7066f60231f44630a36a5fb774f609a9','local','2516c44f57264f8d9619e50022380305','told',0,100,'[50, 100]','2026-11-24 15:07:43.070374','2026-11-24 15:07:43.089435',7,'completed',100,1.0,1.25,8589934592,NULL);
INSERT INTO "legs" VALUES('3e651e4f48a34783906f62effa7e313e','local','2516c44f57264f8d9619e50022380305','told',100,200,'[150, 200]','2026-11-24 15:07:43.119729','2026-11-24 15:07:43.121437',8,'completed',200,1.0,1.25,8589934592,NULL);
CREATE TABLE measurements (
	leg_id VARCHAR(32) NOT NULL, 
	examples BIGINT NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	seconds DOUBLE NOT NULL, 
	value DOUBLE, 
	train_loss DOUBLE, 
	CONSTRAINT pk_measurements PRIMARY KEY (leg_id, examples), 
	CONSTRAINT fk_measurements_leg_id FOREIGN KEY(leg_id) REFERENCES legs (id)
);
INSERT INTO "measurements" VALUES('27554995f1604a2185c06f6ae5ea8ac3',50,'local',0.5,3.00000000000000044408e-01,1.5);
INSERT INTO "measurements" VALUES('27554995f1604a2185c06f6ae5ea8ac3',100,'local',1.0,3.00000000000000044408e-01,1.5);
INSERT INTO "measurements" VALUES('340c01133b754e378570761b0aa9e47d',150,'local',0.5,0.4,1.5);
INSERT INTO "measurements" VALUES('340c01133b754e378570761b0aa9e47d',200,'local',1.0,0.4,1.5);
INSERT INTO "measurements" VALUES('8e9455b4321f4593aafbea8252dfdb76',50,'local',0.5,3.00000000000000044408e-01,1.5);
INSERT INTO "measurements" VALUES('8e9455b4321f4593aafbea8252dfdb76',100,'local',1.0,3.00000000000000044408e-01,1.5);
INSERT INTO "measurements" VALUES('7bd06a1bca5046beabc2825f9924266f',150,'local',0.5,0.4,1.5);
INSERT INTO "measurements" VALUES('7bd06a1bca5046beabc2825f9924266f',200,'local',1.0,0.4,1.5);
INSERT INTO "measurements" VALUES('970a2433f5c24f9f8ea5b55f7221356b',50,'local',0.5,3.00000000000000044408e-01,1.5);
INSERT INTO "measurements" VALUES('970a2433f5c24f9f8ea5b55f7221356b',100,'local',1.0,3.00000000000000044408e-01,1.5);
INSERT INTO "measurements" VALUES('48057a2a9f704bf98a4be0e56c4d0863',150,'local',0.5,0.4,1.5);
INSERT INTO "measurements" VALUES('48057a2a9f704bf98a4be0e56c4d0863',200,'local',1.0,0.4,1.5);
INSERT INTO "measurements" VALUES('7066f60231f44630a36a5fb774f609a9',50,'local',0.5,3.00000000000000044408e-01,1.5);
INSERT INTO "measurements" VALUES('7066f60231f44630a36a5fb774f609a9',100,'local',1.0,3.00000000000000044408e-01,1.5);
INSERT INTO "measurements" VALUES('3e651e4f48a34783906f62effa7e313e',150,'local',0.5,0.4,1.5);
INSERT INTO "measurements" VALUES('3e651e4f48a34783906f62effa7e313e',200,'local',1.0,0.4,1.5);
CREATE TABLE probes (
	id VARCHAR(32) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	created_at DATETIME NOT NULL, 
	calibration_id VARCHAR(32) NOT NULL, 
	loss VARCHAR(200) NOT NULL, 
	settings JSON NOT NULL, 
	outcome VARCHAR(200) NOT NULL, 
	batch_size INTEGER NOT NULL, 
	step_seconds_low DOUBLE, 
	step_seconds_mean DOUBLE, 
	step_seconds_high DOUBLE, 
	evaluation_seconds DOUBLE, 
	peak_bytes BIGINT, 
	detail VARCHAR, 
	CONSTRAINT pk_probes PRIMARY KEY (id), 
	CONSTRAINT fk_probes_calibration_id FOREIGN KEY(calibration_id) REFERENCES calibrations (id)
);
INSERT INTO "probes" VALUES('5b250f4c4b9b4fafbe0196bed1deefbb','local','2026-11-24 15:07:42.772501','9cd096a951f8482a9206f447f7e53480','softmax','{"learning_rate": 0.01}','completed',512,0.005,0.01,0.02,0.5,8589934592,NULL);
INSERT INTO "probes" VALUES('830e4bba686a4c25ba6c695b507ae868','local','2026-11-24 15:07:43.016541','9cd096a951f8482a9206f447f7e53480','bpr','{"learning_rate": 0.01}','completed',512,0.005,0.01,0.02,0.5,8589934592,NULL);
CREATE TABLE profile_points (
	profile_id VARCHAR(32) NOT NULL, 
	examples BIGINT NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	value DOUBLE NOT NULL, 
	CONSTRAINT pk_profile_points PRIMARY KEY (profile_id, examples), 
	CONSTRAINT fk_profile_points_profile_id FOREIGN KEY(profile_id) REFERENCES profiles (id) ON DELETE CASCADE
);
INSERT INTO "profile_points" VALUES('38d225536b75407088c8c0e80de4215a',1000,'local',0.2);
INSERT INTO "profile_points" VALUES('38d225536b75407088c8c0e80de4215a',2000,'local',0.3);
INSERT INTO "profile_points" VALUES('bb9695855d704f0dbe281b3b7a5fb680',1000,'acme',0.2);
INSERT INTO "profile_points" VALUES('bb9695855d704f0dbe281b3b7a5fb680',2000,'acme',0.3);
CREATE TABLE profiles (
	id VARCHAR(32) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	created_at DATETIME NOT NULL, 
	shared BOOLEAN NOT NULL, 
	calibration_id VARCHAR(32), 
	task_name VARCHAR NOT NULL, 
	task_fingerprint VARCHAR(200) NOT NULL, 
	kind VARCHAR(200) NOT NULL, 
	metric VARCHAR(200) NOT NULL, 
	class_bucket INTEGER NOT NULL, 
	n_classes BIGINT NOT NULL, 
	n_rows BIGINT NOT NULL, 
	n_examples BIGINT NOT NULL, 
	targets_per_example DOUBLE NOT NULL, 
	class_gini DOUBLE NOT NULL, 
	embedding_dim INTEGER NOT NULL, 
	batch_size INTEGER NOT NULL, 
	device_id VARCHAR(200) NOT NULL, 
	loss VARCHAR(200) NOT NULL, 
	settings JSON NOT NULL, 
	candidate_key VARCHAR(64) NOT NULL, 
	n_seeds INTEGER NOT NULL, 
	outcome VARCHAR(200) NOT NULL, 
	step_seconds_low DOUBLE, 
	step_seconds_mean DOUBLE, 
	step_seconds_high DOUBLE, 
	peak_bytes BIGINT, 
	final_examples BIGINT NOT NULL, 
	final_value DOUBLE, 
	CONSTRAINT pk_profiles PRIMARY KEY (id), 
	CONSTRAINT fk_profiles_calibration_id FOREIGN KEY(calibration_id) REFERENCES calibrations (id), 
	CONSTRAINT fk_profiles_device_id FOREIGN KEY(device_id) REFERENCES devices (id), 
	CONSTRAINT uq_profiles_measured UNIQUE (tenant, task_fingerprint, device_id, candidate_key)
);
INSERT INTO "profiles" VALUES('38d225536b75407088c8c0e80de4215a','local','2026-11-24 15:07:43.158606',0,'9cd096a951f8482a9206f447f7e53480','shop','shop-data','interactions','ndcg@10',6,1000,900,90000,1.0,0.6,64,512,'laptop','softmax','{"learning_rate": 0.01}','1d3669b44083523205ec9e911443efb7d29681ff61dda116f8450c20e0aabb80',2,'completed',0.01,0.02,0.03,8589934592,2000,0.3);
INSERT INTO "profiles" VALUES('bb9695855d704f0dbe281b3b7a5fb680','acme','2026-11-24 15:07:43.252510',1,NULL,'shop','shop-data','interactions','ndcg@10',6,1000,900,90000,1.0,0.6,64,512,'laptop','bpr','{"learning_rate": 0.01}','d48c7a6f2d9aeb92d6b0404462d14973ba65e25d59df13b1726c67d71fdbba5c',2,'completed',0.01,0.02,0.03,8589934592,2000,0.3);
CREATE TABLE recommendations (
	id VARCHAR(32) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	created_at DATETIME NOT NULL, 
	task_name VARCHAR NOT NULL, 
	loss VARCHAR(200) NOT NULL, 
	verdict VARCHAR(200) NOT NULL, 
	evidence_level VARCHAR(200) NOT NULL, 
	calibration_id VARCHAR(32), 
	device_id VARCHAR(200), 
	body JSON NOT NULL, 
	CONSTRAINT pk_recommendations PRIMARY KEY (id)
);
INSERT INTO "recommendations" VALUES('e9f0f212a0934355a0f54074f02eefbc','local','2026-11-24 15:07:43.137035','shop','softmax','recommended','theory','9cd096a951f8482a9206f447f7e53480',NULL,'{"id": "e9f0f212a0934355a0f54074f02eefbc", "tenant": "local", "created_at": "2026-11-24T15:07:43.137035Z", "task": {"name": "shop", "kind": "interactions", "data": {"path": "orders.csv", "format": null, "columns": {"user": null, "item": null, "time": null, "token": null, "label": null, "text": null, "hidden": null, "split": null}, "split": null, "tokenizer": "word", "vocabulary_size": null, "labels": null, "label_separator": null, "ngrams": "words", "hash_size": 65536}, "statistics": null, "metric": "ndcg@10", "model": {"embedding_dim": 64, "bias": true, "sequence_length": 50, "n_layers": 2, "n_heads": 2, "dropout": 0.2, "encoder": "linear", "hidden_units": 256}, "training": {"batch_size": 512, "optimiser": "adam", "dtype": "float32"}, "horizon": {"epochs": 20.0, "seconds": null}, "constraints": {"peak_memory_gib": null, "probabilities": "optional", "inner_product_serving": false}, "losses": {"include": null, "exclude": [], "settings": {}}, "baseline": {"loss": "softmax", "settings": {}}, "trade": {"speed": 0.01, "memory": 0.0}, "twin_signal": 0.5}, "device_id": null, "evidence_level": "theory", "verdict": "recommended", "loss": "softmax", "settings": {"learning_rate": 0.001, "bias": true, "scale": 1.0}, "p_best": 1.0, "expected_regret": null, "ranking": [{"loss": "softmax", "settings": {"learning_rate": 0.001, "bias": true, "scale": 1.0}, "p_best": 1.0, "consistency": {"status": "consistent", "reason": "ranks by p", "source": "theory 1"}, "predicted_metric": {"low": 0.1, "mean": 0.2, "high": 0.3}, "train_seconds": null, "peak_bytes": 1099511627776, "feasible": true, "pareto": true, "reasons": [], "profile_ids": [], "curve": [], "measured": []}], "gain_over_baseline": null, "reasons": [], "next_experiment": null, "calibration_id": "9cd096a951f8482a9206f447f7e53480", "elapsed_seconds": 0.1, "warnings": []}');
CREATE TABLE trials (
	id VARCHAR(32) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	created_at DATETIME NOT NULL, 
	calibration_id VARCHAR(32) NOT NULL, 
	"key" VARCHAR(200) NOT NULL, 
	loss VARCHAR(200) NOT NULL, 
	settings JSON NOT NULL, 
	seed BIGINT NOT NULL, 
	status VARCHAR(200) NOT NULL, 
	attempts INTEGER NOT NULL, 
	legs_told INTEGER NOT NULL, 
	examples BIGINT NOT NULL, 
	train_seconds DOUBLE NOT NULL, 
	best_value DOUBLE, 
	outcome VARCHAR(200), 
	CONSTRAINT pk_trials PRIMARY KEY (id), 
	CONSTRAINT fk_trials_calibration_id FOREIGN KEY(calibration_id) REFERENCES calibrations (id), 
	CONSTRAINT uq_trials_calibration_id_key UNIQUE (calibration_id, "key")
);
INSERT INTO "trials" VALUES('4bb3053140f2424b95e39e2eb7e4b349','local','2026-11-24 15:07:42.800156','9cd096a951f8482a9206f447f7e53480','1518cdb72d861875','softmax','{"learning_rate": 0.01}',0,'ended',2,2,200,2.0,0.4,'completed');
INSERT INTO "trials" VALUES('8b0dff4679af436dbfc8fa6acf3df244','local','2026-11-24 15:07:42.952627','9cd096a951f8482a9206f447f7e53480','f8948d63a5f4ce5e','softmax','{"learning_rate": 0.01}',1,'ended',2,2,200,2.0,0.4,'completed');
INSERT INTO "trials" VALUES('6280d95c951248f9bbc0b6cc21fe5161','local','2026-11-24 15:07:43.017743','9cd096a951f8482a9206f447f7e53480','5d5a718ebed65740','bpr','{"learning_rate": 0.01}',0,'ended',2,2,200,2.0,0.4,'completed');
INSERT INTO "trials" VALUES('2516c44f57264f8d9619e50022380305','local','2026-11-24 15:07:43.070011','9cd096a951f8482a9206f447f7e53480','4b8165df9420a145','bpr','{"learning_rate": 0.01}',1,'ended',2,2,200,2.0,0.4,'completed');
CREATE TABLE workers (
	id VARCHAR(200) NOT NULL, 
	tenant VARCHAR(200) NOT NULL, 
	device VARCHAR(200), 
	tag VARCHAR(200) NOT NULL, 
	current VARCHAR, 
	started_at DATETIME NOT NULL, 
	seen_at DATETIME NOT NULL, 
	CONSTRAINT pk_workers PRIMARY KEY (id)
);
INSERT INTO "workers" VALUES('host-cpu0','local',NULL,'cpu',NULL,'2026-11-24 15:07:43.293000','2026-11-24 15:07:43.293000');
CREATE INDEX ix_recommendations_tenant_created_at_id ON recommendations (tenant, created_at, id);
CREATE INDEX ix_calibrations_tenant_created_at_id ON calibrations (tenant, created_at, id);
CREATE INDEX ix_calibrations_tenant_task_fingerprint_device_id ON calibrations (tenant, task_fingerprint, device_id);
CREATE INDEX ix_probes_calibration_id ON probes (calibration_id);
CREATE INDEX ix_profiles_own ON profiles (tenant, kind, metric, class_bucket, created_at);
CREATE INDEX ix_profiles_shared ON profiles (shared, kind, metric, class_bucket, created_at);
CREATE INDEX ix_profiles_tenant_created_at_id ON profiles (tenant, created_at, id);
CREATE INDEX ix_trials_tenant_created_at_id ON trials (tenant, created_at, id);
COMMIT;
