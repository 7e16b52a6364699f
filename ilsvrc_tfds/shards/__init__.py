"""Plan, encode, write, stage.

plan             which image goes into which shard
encoders         an image's record
writer           one shard, whole or not at all
run              all shards of a plan, by any engine
image_files      the images of a shard as files
image_folders    files in folders of their classes
"""
