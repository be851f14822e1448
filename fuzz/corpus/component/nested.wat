(component (component (component (component (component
  (type (record (field "a" (list (option (result (tuple u8 (list string)) (error string)))))))))))
  (type (variant (case "a" (list (list (list (list (list (list (list (list u8))))))))))))
