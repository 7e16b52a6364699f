"""Plan the shards of a data set, encode their records, and write them.

plan             decides which image goes into which shard
encoders         turns an image into a record
writer           writes one shard, all or nothing
run              writes all shards of a plan with any engine
image_files      writes the images of one shard as files
image_folders    arranges such files in one folder for each class
"""
